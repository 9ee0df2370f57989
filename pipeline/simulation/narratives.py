"""Narratives of the follow-up reports: French prose that carries the identifiers real notes carry.

Sentences are picked and filled at random from the record and from made-up bystanders, with the writing habits that make
de-identification hard: capitals, initials, lower case, dates in digits and in words, spaced numbers, slips of the pen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.simulation.names import FEMALE_NAMES, FIRMS, MALE_NAMES, STREETS, SURNAMES, TOWNS

_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
    "décembre",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """What the author of a report has before them.

    Attributes:
        surname, first_name, male, nir, birth, phone, email, doctor, occupational_doctor, employer: the insured's.
        cause: pathology family of the report.
        kind: type of the report.
        situation: employment situation of the report.
        day: date of the report.
    """

    surname: str
    first_name: str
    male: bool
    nir: str
    birth: date
    phone: str | None
    email: str | None
    doctor: str | None
    occupational_doctor: str | None
    employer: str | None
    cause: str | None
    kind: str
    situation: str
    day: date


_OPENINGS = (
    "Entretien du {date} avec {civil} {name}, {born} le {birth}.",
    "Point de situation au {date} pour {civil} {name} (n° SS {nir}).",
    "{civil} {name} est {received} ce jour, {date}, à l'agence de {town}.",
    "Appel téléphonique du {date} : {civil} {name}, {joined} au {phone}.",
    "Dossier de {first} {upper}. Bilan rédigé le {date}.",
    "Objet : accompagnement de {civil} {upper} {first}, {housed} {street}, {postcode} {town}.",
)
_CAUSES = {
    "OSTEOARTICULAIRE": (
        "une lombosciatique chronique",
        "une rupture de la coiffe des rotateurs",
        "un canal carpien bilatéral",
    ),
    "PSYCHIQUE": ("un épuisement professionnel", "un état anxio-dépressif", "un trouble du sommeil sévère"),
    "TUMEUR": ("les suites d'un traitement par chimiothérapie", "une tumeur opérée cette année"),
    "CARDIOVASCULAIRE": ("les suites d'un infarctus", "une insuffisance cardiaque stabilisée"),
    "NEURO": ("les séquelles d'un AVC", "une sclérose en plaques"),
    "TRAUMATISME": ("une fracture du poignet", "un traumatisme du genou"),
}
_OTHER_CAUSES = ("une maladie digestive chronique", "une affection respiratoire", "des douleurs diffuses")
_BODY = (
    "L'arrêt est lié à {cause}.",
    "Station debout pénible, que {pronoun_low} attribue à {cause}.",
    "Le médecin traitant, {doctor}, ne prévoit pas de reprise avant le {later}.",
    "Contact pris avec {occupational}, médecin du travail : visite de pré-reprise prévue le {later}.",
    "L'employeur ({employer}) se dit ouvert à un aménagement du poste.",
    "La responsable RH de {employer}, Mme {other}, a été jointe : pas de poste de reclassement à ce jour.",
    "M. {other}, délégué du personnel, accompagnera {civil} {name} au rendez-vous.",
    "Un essai encadré de deux semaines est envisagé sur un poste allégé.",
    "Un temps partiel thérapeutique à 50 % est discuté pour une durée de trois mois.",
    "Demande de RQTH déposée auprès de la MDPH, orientation vers Cap emploi.",
    "{pronoun} vit avec {relative} à {town} ; les trajets en voiture restent difficiles.",
    "Difficultés financières signalées : deux loyers en retard, aide à demander au fonds social.",
    "{pronoun} se sent {alone} depuis l'arrêt et n'a plus de contact avec ses collègues.",
    "Conflit ancien avec le chef d'équipe, {otherfull}, à ne pas associer à la démarche.",
    "Suivi au centre hospitalier de {town}, service du Dr {specialist}, prochain contrôle le {later}.",
    "Le bilan de compétences a commencé avec l'organisme retenu ; trois séances restent à faire.",
    "Peut être contacté par mail : {email}.",
    "Rappel à faire au {phone} après le {later}.",
    "Courrier envoyé {street}, {postcode} {town}, resté sans réponse.",
    "L'assistante sociale, {otherfull}, reprend contact dans un mois.",
    "Traitement bien toléré, kinésithérapie deux fois par semaine.",
    "Sommeil perturbé, douleurs cotées à 6 sur 10, périmètre de marche réduit.",
    "{initials} hésite entre une formation et un retour chez {employer}.",
    "Selon {first}, la charge portée dépassait souvent quinze kilos.",
    "Les droits ont été vérifiés : pas de rupture d'indemnisation depuis le {earlier}.",
    "Pas d'accord à ce stade pour un contact avec l'employeur.",
)
_CLOSINGS = {
    "INITIAL": (
        "Plan d'action proposé, prochain point le {later}.",
        "Accompagnement engagé avec l'accord de {civil} {name}.",
    ),
    "INTERMEDIAIRE": (
        "Poursuite de l'accompagnement, point le {later}.",
        "Prochain rendez-vous le {later} avec {otherfull}.",
    ),
    "FINAL": ("Clôture de l'accompagnement le {date}.", "Fin de suivi ; {civil} {name} remercie l'équipe."),
    "SUIVI_6M": ("À six mois, {civil} {upper} a été {called}.", "Suivi à six mois réalisé par téléphone au {phone}."),
    "SUIVI_12M": ("À un an, la situation de {first} est stable.", "Dernier contact à douze mois, {date}."),
}
_SITUATIONS = {
    "EN_ARRET": "L'arrêt se poursuit.",
    "REPRISE_TOTALE": "L'activité a repris à temps plein.",
    "REPRISE_TPT": "La reprise se fait à temps partiel thérapeutique.",
    "REPRISE_AMENAGEE": "La reprise se fait sur un poste aménagé.",
    "CHOMAGE": "Une inscription à France Travail a été faite.",
    "INVALIDITE": "Une pension d'invalidité a été attribuée.",
    "FORMATION": "Une formation est en cours.",
    "RETRAITE": "La retraite a été demandée.",
}


class Narrator:
    """Writes narratives from a generator of its own; the same generator state gives the same text."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def _pick(self, options: tuple[str, ...]) -> str:
        return options[int(self._rng.integers(len(options)))]

    def _date(self, day: date) -> str:
        style = int(self._rng.integers(5))
        return (
            f"{day:%d/%m/%Y}",
            f"{day.day} {_MONTHS[day.month - 1]} {day.year}",
            f"{day:%d.%m.%y}",
            f"{day:%Y-%m-%d}",
            f"{'1er' if day.day == 1 else day.day} {_MONTHS[day.month - 1]}",
        )[style]

    def _nir(self, nir: str) -> str:
        style = int(self._rng.integers(3))
        spaced = f"{nir[0]} {nir[1:3]} {nir[3:5]} {nir[5:7]} {nir[7:10]} {nir[10:13]} {nir[13:]}"
        return (nir, spaced, spaced[:-3])[style]

    def _phone(self, phone: str) -> str:
        pairs = [phone[i : i + 2] for i in range(0, 10, 2)]
        style = int(self._rng.integers(4))
        return (phone, " ".join(pairs), ".".join(pairs), "+33 " + phone[1] + " " + " ".join(pairs[1:]))[style]

    def _name(self, record: Record) -> str:
        style = float(self._rng.random())
        if style < 0.6:
            return record.surname
        if style < 0.75:
            return record.surname.upper()
        if style < 0.85:
            return f"{record.first_name} {record.surname}"
        if style < 0.93:
            return record.surname.lower()
        # A slip of the pen: two neighbouring letters change places.
        k = int(self._rng.integers(1, max(len(record.surname) - 1, 2)))
        return record.surname[: k - 1] + record.surname[k] + record.surname[k - 1] + record.surname[k + 1 :]

    def _fields(self, record: Record) -> dict[str, str]:
        rng = self._rng
        other = self._pick(SURNAMES)
        causes = _CAUSES.get(record.cause or "", _OTHER_CAUSES)
        relatives = (
            f"sa fille {self._pick(FEMALE_NAMES)}",
            f"son fils {self._pick(MALE_NAMES)}",
            "ses parents",
            "sa sœur",
        )
        male = record.male
        phone = record.phone or "0199000000"
        return {
            "date": self._date(record.day),
            "later": self._date(record.day + timedelta(days=int(rng.integers(7, 90)))),
            "earlier": self._date(record.day - timedelta(days=int(rng.integers(20, 200)))),
            "birth": self._date(record.birth),
            "civil": self._pick(("M.", "Monsieur", "Mr") if male else ("Mme", "Madame")),
            "pronoun": "Il" if male else "Elle",
            "born": "né" if male else "née",
            "received": "reçu" if male else "reçue",
            "joined": "joint" if male else "jointe",
            "called": "rappelé" if male else "rappelée",
            "housed": "domicilié" if male else "domiciliée",
            "alone": "isolé" if male else "isolée",
            "pronoun_low": "il" if male else "elle",
            "name": self._name(record),
            "first": record.first_name,
            "upper": record.surname.upper(),
            "initials": f"{record.first_name[0]}.{record.surname[0]}.",
            "nir": self._nir(record.nir),
            "phone": self._phone(phone),
            "email": record.email or "non communiqué",
            "doctor": record.doctor or "non renseigné",
            "occupational": record.occupational_doctor or "le service de prévention",
            "employer": record.employer or self._pick(FIRMS),
            "other": other,
            "specialist": self._pick(SURNAMES),
            "otherfull": f"{self._pick(FEMALE_NAMES)} {self._pick(SURNAMES)}",
            "relative": self._pick(relatives),
            "street": f"{int(rng.integers(1, 180))} {self._pick(STREETS)}",
            "postcode": f"{int(rng.integers(1000, 95999)):05d}",
            "town": self._pick(TOWNS),
            "cause": self._pick(causes),
        }

    def write(self, record: Record) -> str:
        """One narrative of 250 to about 2,000 characters."""
        fields = self._fields(record)
        count = int(self._rng.integers(4, 15))
        body = self._rng.permutation(len(_BODY))[:count]
        sentences = [self._pick(_OPENINGS), *(_BODY[k] for k in body), self._pick(_CLOSINGS[record.kind])]
        text = ""
        for sentence in sentences:
            text += sentence.format(**fields) + ("\n" if self._rng.random() < 0.18 else " ")
        text += _SITUATIONS.get(record.situation, "Situation à préciser.")
        return text.replace("'", "’") if self._rng.random() < 0.3 else text
