"""Follow-up reports, measures, agreements and costs of the platforms.

There are a few reports per thousand insured: they are written one by one, in Python, with prose.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.simulation.config import month_of, month_text
from pipeline.simulation.names import FIRMS, SURNAMES
from pipeline.simulation.narratives import Narrator, Record
from pipeline.simulation.paths import AGREED, NO_DOSSIER, WORK_INJURY, JobEvents
from pipeline.simulation.population import NEVER
from pipeline.simulation.register import Identities, first_names
from pipeline.simulation.streams import generator
from pipeline.simulation.truth import employed_on
from pipeline.simulation.world import World

_EPOCH = date(1970, 1, 1)
_ORIGINS = (
    ("SERVICE_SOCIAL", 26), ("MEDECIN_CONSEIL", 22), ("CPAM_DETECTION", 13), ("MEDECIN_TRAITANT", 12),
    ("MEDECIN_TRAVAIL", 11), ("EMPLOYEUR", 6), ("ASSURE", 4), ("AUTRE_PRO_SANTE", 3), ("CAP_EMPLOI", 2),
    ("FRANCE_TRAVAIL", 1),
)  # fmt: skip
_SICKNESS_CAUSES = (
    ("OSTEOARTICULAIRE", 33), ("PSYCHIQUE", 30), ("AUTRE", 12), ("CARDIOVASCULAIRE", 7), ("NEURO", 5), ("TUMEUR", 5),
    ("TRAUMATISME", 4), ("NON_RENSEIGNE", 4),
)  # fmt: skip
_INJURY_CAUSES = (("TRAUMATISME", 60), ("OSTEOARTICULAIRE", 33), ("PSYCHIQUE", 4), ("NON_RENSEIGNE", 3))
_REASONS = (
    "INAPTITUDE_POSTE", "DUREE_ARRET", "ARRETS_REPETES", "USURE_PRO", "CONFLIT_TRAVAIL", "RPS", "PENIBILITE",
    "HANDICAP", "ISOLEMENT", "DIFFICULTE_FINANCIERE",
)  # fmt: skip
_MEASURES = (
    ("VISITE_PRE_REPRISE", 24), ("TPT", 14), ("AMENAGEMENT_POSTE", 12), ("ESSAI_ENCADRE", 9), ("DEMANDE_RQTH", 8),
    ("RDV_LIAISON", 7), ("BILAN_COMPETENCES", 5), ("SOUTIEN_PSYCHO", 5), ("FORMATION", 4), ("AIDE_FINANCIERE", 4),
    ("ORIENTATION_CAP_EMPLOI", 3), ("REPRISE_TRAVAIL_LEGER", 2), ("CRPE", 1), ("PMSMP", 1), ("RECLASSEMENT", 1),
    ("AUTRE", 1),
)  # fmt: skip
_MEASURE_COSTS = {
    "FORMATION": 2400, "BILAN_COMPETENCES": 1600, "AMENAGEMENT_POSTE": 900, "AIDE_FINANCIERE": 450,
    "SOUTIEN_PSYCHO": 300,
}  # fmt: skip
_MEASURE_STATUSES = (("REALISEE", 45), ("PROPOSEE", 25), ("ACCEPTEE", 14), ("REFUSEE", 9), ("ABANDONNEE", 7))
_SCOPES = ("CONTACT_MEDECIN_TRAITANT", "CONTACT_MEDECIN_TRAVAIL", "CONTACT_EMPLOYEUR", "PARTAGE_PLURIDISCIPLINAIRE")
_MODES = (("ECRIT", 60), ("ORAL_TRACE", 26), ("COMPTE_AMELI", 14))
_LEVELS = (("MOYEN", 40), ("FORT", 25), ("FAIBLE", 24), ("NON_EVALUE", 11))
_COSTS = (
    ("PERSONNEL_SERVICE_SOCIAL", "BUDGET_GESTION", 0.48), ("PERSONNEL_SERVICE_MEDICAL", "BUDGET_GESTION", 0.21),
    ("PERSONNEL_ADMIN", "BUDGET_GESTION", 0.09), ("SYSTEME_INFORMATION", "BUDGET_GESTION", 0.03),
    ("PRESTATION_EXTERNE", "FNASS", 0.08), ("AIDES", "FNASS", 0.11),
)  # fmt: skip
COST_PER_DOSSIER_MONTH, COST_FIXED_SHARE = 125.0, 0.15
"""Euros per active dossier and month, and what runs whatever the activity, as a share of the platform's mean month."""
ACTIVE_MONTHS = 8
"""Months during which a dossier costs, from its first contact."""
_EMAIL_HOSTS = ("courriel-fictif.fr", "boite-exemple.net", "mel-invente.fr")
_PHONE_PREFIXES = ("019900", "026191", "035301", "046571", "053649", "063998")
"""Ranges the regulator keeps for fiction (ARCEP)."""

Row = dict[str, Any]


def _day(number: int) -> date:
    return _EPOCH + timedelta(days=int(number))


class _Dice:
    """Weighted choices from one generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def among(self, options: tuple[tuple[str, int], ...]) -> str:
        """One of the options, by weight."""
        point = self.rng.random() * sum(weight for _, weight in options)
        for value, weight in options:
            point -= weight
            if point < 0:
                return value
        return options[-1][0]

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends possible."""
        return int(self.rng.integers(low, high + 1))


@dataclass(frozen=True, slots=True)
class ProgrammeTables:
    """Rows of the programme's tables with the delivery month (since 1970) of each."""

    reports: list[tuple[int, Row]]
    measures: list[tuple[int, Row]]
    agreements: list[tuple[int, Row]]
    costs: list[tuple[int, Row]]


class Situations:
    """Where insured stand on given days, read off their observed paths."""

    def __init__(self, world: World) -> None:
        self._world = world
        leaves, self._jobs = world.observed.leaves, world.observed.jobs
        self._address = leaves.person.astype(np.int64) * 100_000 + leaves.start

    def state(self, person: int, day: int) -> str:
        """One of DECEDE, RETRAITE, INVALIDITE, REPRISE_TPT, EN_ARRET, EMPLOI, SANS_EMPLOI."""
        fates, leaves = self._world.observed.fates, self._world.observed.leaves
        if fates.death[person] <= day:
            return "DECEDE"
        if fates.retirement[person] <= day:
            return "RETRAITE"
        if fates.invalidity[person] <= day:
            return "INVALIDITE"
        k = int(np.searchsorted(self._address, person * 100_000 + day, side="right")) - 1
        if k >= 0 and leaves.person[k] == person and leaves.end[k] >= day:
            return "REPRISE_TPT" if leaves.part_time_from[k] <= day else "EN_ARRET"
        low, high = np.searchsorted(self._jobs.person, [person, person + 1])
        own = JobEvents(**{f.name: getattr(self._jobs, f.name)[low:high] for f in fields(JobEvents)})
        works = employed_on(own, np.array([person]), np.array([day]))[0]
        return "EMPLOI" if works else "SANS_EMPLOI"


def draw_programme(world: World, identities: Identities) -> ProgrammeTables:
    """Write every dossier of a world.

    Args:
        world: a world.
        identities: its identifiers.

    Returns:
        Rows of `bilans_suivi`, `bilan_mesures`, `accords` and `couts_programme`, each with its delivery.
    """
    contacts = world.observed.contacts
    dossiers = np.flatnonzero(contacts.outcome != NO_DOSSIER)
    dossiers = dossiers[contacts.agreement[dossiers] <= world.config.last_known_day]
    rng = generator(world.config.seed, "reports")
    writer = _DossierWriter(world, identities, rng)
    for number, person in enumerate(dossiers):
        writer.write(number, int(person))
    return ProgrammeTables(writer.reports, writer.measures, writer.agreements, _costs(world))


class _DossierWriter:
    """Fills the rows of one dossier after the other."""

    def __init__(self, world: World, identities: Identities, rng: np.random.Generator) -> None:
        self.world, self.identities = world, identities
        self.dice = _Dice(rng)
        self.narrator = Narrator(rng)
        self.situations = Situations(world)
        self.reports: list[tuple[int, Row]] = []
        self.measures: list[tuple[int, Row]] = []
        self.agreements: list[tuple[int, Row]] = []
        self._last_day = world.config.last_known_day

    def write(self, number: int, person: int) -> None:
        """All rows of one person's dossier."""
        contacts = self.world.observed.contacts
        dossier = f"D{number + 1:08d}"
        nir = self.identities.nir[person].tobytes().decode("ascii")
        agreement = int(contacts.agreement[person])
        agreed = contacts.outcome[person] == AGREED
        self._agreement(dossier, nir, "ACCOMPAGNEMENT", "ACCORD" if agreed else "REFUS", agreement)
        if not agreed:
            return
        for scope in _SCOPES:
            if self.dice.chance(0.55):
                event = "ACCORD" if self.dice.chance(0.88) else "REFUS"
                self._agreement(dossier, nir, scope, event, agreement + self.dice.between(0, 12))
        withdrawal = int(self.world.withdrawal[person])
        if withdrawal < NEVER:
            self._agreement(dossier, nir, "ACCOMPAGNEMENT", "RETRAIT", withdrawal)
        self._reports(dossier, person, nir, agreement, withdrawal)

    def _agreement(self, dossier: str, nir: str, scope: str, event: str, day: int) -> None:
        if day <= self._last_day:
            row = {
                "dossier_id": dossier, "nir": nir, "portee": scope, "evenement": event, "date": _day(day),
                "mode": self.dice.among(_MODES),
            }  # fmt: skip
            self.agreements.append((_month(day), row))

    def _identity(self, person: int, nir: str) -> Row:
        people, dice = self.world.people, self.dice
        surname = SURNAMES[self.identities.surname[person]]
        first = str(first_names(self.world, self.identities, np.array([person]))[0])
        phone = dice.among(tuple((p, 1) for p in _PHONE_PREFIXES)) + f"{dice.between(0, 9999):04d}"
        plain = f"{first}.{surname}".lower().replace(" ", "").replace("'", "")
        mail = f"{plain}{dice.between(1, 99)}@{_EMAIL_HOSTS[dice.between(0, 2)]}"
        employed = not people.self_employed[person]
        return {
            "nir": nir,
            "nom": surname,
            "prenom": first,
            "telephone": phone if dice.chance(0.92) else None,
            "email": mail if dice.chance(0.6) else None,
            "medecin_traitant": f"Dr {SURNAMES[dice.between(0, len(SURNAMES) - 1)]}" if dice.chance(0.93) else None,
            "medecin_travail": f"Dr {SURNAMES[dice.between(0, len(SURNAMES) - 1)]}" if dice.chance(0.7) else None,
            "employeur": FIRMS[dice.between(0, len(FIRMS) - 1)] if employed and dice.chance(0.95) else None,
            "date_naissance": date(
                int(people.birth_year[person]), int(people.birth_month[person]), int(people.birth_day[person])
            ),
        }

    def _constants(self, person: int) -> Row:
        people, dice = self.world.people, self.dice
        leaves, contacts = self.world.observed.leaves, self.world.observed.contacts
        k = int(
            np.searchsorted(self.situations._address, person * 100_000 + int(contacts.leave_start[person]), side="left")
        )
        injury = leaves.risk[k] == WORK_INJURY
        scheme = int(people.scheme[person])
        statut = {101: "SALARIE", 103: "TI_ARTISAN", 105: "TI_COMMERCANT", 106: "TI_ARTISAN"}.get(scheme, "TI_LIBERAL")
        reasons = [r for r in _REASONS if dice.chance(0.14)]
        return {
            "origine_signalement": dice.among(_ORIGINS),
            "statut_pro": statut,
            "risque_arret": dice.among((("AT", 70), ("TRAJET", 13), ("MP", 17))) if injury else "MALADIE",
            "famille_pathologie": (
                dice.among(_INJURY_CAUSES if injury else _SICKNESS_CAUSES) if dice.chance(0.98) else None
            ),
            "motifs_risque": "|".join(reasons) or None,
        }

    def _reports(self, dossier: str, person: int, nir: str, agreement: int, withdrawal: int) -> None:
        dice, contacts, fates = self.dice, self.world.observed.contacts, self.world.observed.fates
        contact = int(contacts.contact[person])
        diagnosis = agreement + dice.between(3, 35) if dice.chance(0.95) else None
        plan = diagnosis + dice.between(4, 28) if diagnosis is not None and dice.chance(0.8) else None
        identity, constants = self._identity(person, nir), self._constants(person)
        initial = (diagnosis if diagnosis is not None else agreement) + dice.between(0, 6)
        final = max(contact + dice.between(75, 230), initial + 15, (plan or 0) + 5)
        death = int(fates.death[person])
        lost = dice.chance(0.08)
        schedule = [("INITIAL", initial)]
        if dice.chance(0.55):
            schedule.append(("INTERMEDIAIRE", initial + max((final - initial) // 2, 1)))
        schedule.append(("FINAL", min(final, max(death, initial + 1))))
        if death > final and not lost:
            schedule += [("SUIVI_6M", max(contact + 182, final + 10) + dice.between(-5, 15))]
            if dice.chance(0.85):
                schedule += [("SUIVI_12M", max(contact + 365, final + 40) + dice.between(-5, 20))]
        levels = {f"diag_{d}": dice.among(_LEVELS) for d in ("administratif", "social", "medical")}
        platform = f"PDP-{self.world.territory.codes[int(contacts.platform[person])]}"
        interviews = 0
        for rank, (kind, day) in enumerate(schedule):
            if day > self._last_day or day > withdrawal or (kind != "FINAL" and day > death):
                continue
            interviews += dice.between(0, 3)
            if rank and levels["diag_social"] != "FAIBLE" and dice.chance(0.35):
                levels = {**levels, "diag_social": "FAIBLE" if levels["diag_social"] == "MOYEN" else "MOYEN"}
            situation = self._situation(person, day, kind, lost)
            row: Row = {
                "bilan_id": f"B{dossier[1:]}{rank}",
                "version": 1,
                "remplace_bilan_id": None,
                "statut": "VALIDE",
                "dossier_id": dossier,
                "plateforme_id": platform,
                **identity,
                "type_bilan": kind,
                "date_signalement": _day(int(contacts.signal[person])),
                "date_premier_contact": _day(contact),
                "date_diagnostic": _day(diagnosis) if diagnosis is not None else None,
                "date_parcours": _day(plan) if plan is not None and plan <= day else None,
                "date_bilan": _day(day),
                "date_sortie": _day(day) if kind == "FINAL" else None,
                **constants,
                **(levels if diagnosis is not None else dict.fromkeys(levels)),
                "situation_emploi": situation,
                "issue": self._exit(person, situation, lost) if kind == "FINAL" else None,
                "nb_entretiens": interviews,
                "satisfaction": dice.between(5, 10) if kind == "FINAL" and dice.chance(0.6) else None,
                "narratif": None,
            }
            if dice.chance(0.94):
                row["narratif"] = self._narrative(row, person, day)
            self._deliver(row, day, withdrawal)

    def _deliver(self, row: Row, day: int, withdrawal: int) -> None:
        dice = self.dice
        delivery = _month(day)
        self.reports.append((delivery, row))
        self._measures(row, day)
        later = delivery + dice.between(1, 3)
        if dice.chance(0.025) and later <= self.world.config.last_delivery and day <= withdrawal:
            fixed = {**row, "bilan_id": row["bilan_id"] + "V2", "version": 2, "remplace_bilan_id": row["bilan_id"]}
            if row["type_bilan"] == "INTERMEDIAIRE" and dice.chance(0.5):
                fixed["statut"] = "ANNULE"
            else:
                fixed["nb_entretiens"] = row["nb_entretiens"] + 1
            self.reports.append((later, fixed))

    def _measures(self, row: Row, day: int) -> None:
        dice = self.dice
        for _ in range(dice.between(0, 2)):
            measure, status = dice.among(_MEASURES), dice.among(_MEASURE_STATUSES)
            begun = status in ("REALISEE", "ABANDONNEE") and dice.chance(0.8)
            begin = day - dice.between(5, 40)
            mean = _MEASURE_COSTS.get(measure)
            paid = mean is not None and status == "REALISEE"
            self.measures.append(
                (
                    _month(day),
                    {
                        "bilan_id": row["bilan_id"],
                        "mesure": measure,
                        "statut": status,
                        "date_debut": _day(begin) if begun else None,
                        "date_fin": _day(begin + dice.between(0, 60)) if begun and dice.chance(0.5) else None,
                        "cout_eur": round(mean * float(dice.rng.uniform(0.6, 1.4)), 2) if paid and mean else None,
                    },
                )
            )

    def _situation(self, person: int, day: int, kind: str, lost: bool) -> str:
        state = self.situations.state(person, day)
        if lost and kind == "FINAL" and state != "DECEDE":
            return "INCONNU"
        if state == "EMPLOI":
            return self.dice.among((("REPRISE_TOTALE", 72), ("REPRISE_AMENAGEE", 21), ("CRPE", 3), ("FORMATION", 4)))
        if state == "SANS_EMPLOI":
            return self.dice.among((("CHOMAGE", 82), ("INAPTE_ATTENTE", 10), ("FORMATION", 8)))
        return state

    def _exit(self, person: int, situation: str, lost: bool) -> str:
        if situation == "DECEDE":
            return "DECES"
        if lost:
            return "PERDU_DE_VUE"
        self_employed = bool(self.world.people.self_employed[person])
        if self_employed and situation.startswith("REPRISE"):
            return "REPRISE_ACTIVITE_TI"
        if self_employed and situation == "CHOMAGE":
            return "CESSATION_ACTIVITE_TI"
        fixed = {
            "REPRISE_TOTALE": "MAINTIEN_POSTE",
            "REPRISE_AMENAGEE": "MAINTIEN_POSTE_AMENAGE",
            "REPRISE_TPT": "MAINTIEN_POSTE_AMENAGE",
            "INVALIDITE": "INVALIDITE",
            "RETRAITE": "RETRAITE",
            "FORMATION": "RECONVERSION_FORMATION",
            "CRPE": "RECLASSEMENT_EXTERNE",
            "INAPTE_ATTENTE": "INAPTITUDE_LICENCIEMENT",
        }.get(situation)
        if fixed and self.dice.chance(0.85):
            return fixed
        if situation == "CHOMAGE":
            return self.dice.among(
                (
                    ("INAPTITUDE_LICENCIEMENT", 65),
                    ("RUPTURE_CONVENTIONNELLE", 20),
                    ("DEMISSION", 8),
                    ("LICENCIEMENT_AUTRE", 7),
                )
            )
        if situation == "EN_ARRET":
            return self.dice.among(
                (("EN_COURS", 50), ("ABANDON", 20), ("HORS_CRITERES", 12), ("RECONVERSION_FORMATION", 18))
            )
        return fixed or "RECLASSEMENT_INTERNE"

    def _narrative(self, row: Row, person: int, day: int) -> str:
        return self.narrator.write(
            Record(
                surname=row["nom"],
                first_name=row["prenom"],
                male=bool(self.world.people.sex[person] == 1),
                nir=row["nir"],
                birth=row["date_naissance"],
                phone=row["telephone"],
                email=row["email"],
                doctor=row["medecin_traitant"],
                occupational_doctor=row["medecin_travail"],
                employer=row["employeur"],
                cause=row["famille_pathologie"],
                kind=row["type_bilan"],
                situation=row["situation_emploi"],
                day=_day(day),
            )
        )


def _month(day: int) -> int:
    return int(month_of(np.array([day]))[0])


def _costs(world: World) -> list[tuple[int, Row]]:
    """Costs of each platform by month: active dossiers, and a part that does not depend on them."""
    config, contacts = world.config, world.observed.contacts
    rng = generator(config.seed, "costs")
    agreed = contacts.outcome == AGREED
    month = month_of(contacts.contact[agreed])
    platform = contacts.platform[agreed]
    rows: list[tuple[int, Row]] = []
    for place in np.flatnonzero(world.territory.designated):
        opened = int(month_of(world.territory.opening[place : place + 1])[0])
        closed = int(month_of(world.territory.closing[place : place + 1])[0])
        mine = month[platform == place]
        months = range(opened, min(closed + ACTIVE_MONTHS + 1, config.last_delivery))
        active = np.array([int(((mine <= m) & (mine > m - ACTIVE_MONTHS)).sum()) for m in months], dtype=np.float64)
        fixed = COST_FIXED_SHARE * max(float(active.mean()), 1.0) if len(active) else 0.0
        for m, dossiers in zip(months, active, strict=True):
            for category, funding, share in _COSTS:
                amount = (dossiers + fixed) * COST_PER_DOSSIER_MONTH * share * float(rng.uniform(0.9, 1.1))
                row = {
                    "plateforme_id": f"PDP-{world.territory.codes[place]}",
                    "mois": month_text(m),
                    "categorie": category,
                    "montant_eur": round(amount, 2),
                    "financement": funding,
                }
                rows.append((m + 1, row))
    return rows


def platform_rows(world: World) -> list[tuple[int, Row]]:
    """Rows of `plateformes`: at designation, at opening and after the end, each with its delivery."""
    config, territory = world.config, world.territory
    rows: list[tuple[int, Row]] = []
    for place in np.flatnonzero(territory.designated):
        opening, closing = int(territory.opening[place]), int(territory.closing[place])
        designation = int(territory.designation[place])
        row: Row = {
            "plateforme_id": f"PDP-{territory.codes[place]}",
            "code_departement": str(territory.codes[place]),
            "code_cpam": f"01C{territory.codes[place]}000",
            "date_designation": _day(designation),
            "date_ouverture": _day(opening),
            "date_fin": _day(closing),
        }
        steps = (("PRE_EXPERIMENTALE", designation), ("EXPERIMENTALE", opening), ("CLOSE", closing + 1))
        for status, day in steps:
            # A register shorter than its history starts with what stands on its first day.
            delivery = max(_month(day), config.first_delivery)
            later = [
                s for s, d in steps if s != status and d > day and max(_month(d), config.first_delivery) == delivery
            ]
            if delivery <= config.last_delivery and not later:
                rows.append((delivery, {**row, "statut": status}))
    return rows


DATE, TEXT, SMALL, EUROS = pa.date32(), pa.string(), pa.int16(), pa.float64()
SCHEMAS = {
    "plateformes": pa.schema(
        [("plateforme_id", TEXT), ("code_departement", TEXT), ("code_cpam", TEXT), ("date_designation", DATE),
         ("date_ouverture", DATE), ("date_fin", DATE), ("statut", TEXT)]
    ),
    "bilans_suivi": pa.schema(
        [("bilan_id", TEXT), ("version", SMALL), ("remplace_bilan_id", TEXT), ("statut", TEXT), ("dossier_id", TEXT),
         ("plateforme_id", TEXT), ("nir", TEXT), ("nom", TEXT), ("prenom", TEXT), ("telephone", TEXT), ("email", TEXT),
         ("medecin_traitant", TEXT), ("medecin_travail", TEXT), ("employeur", TEXT), ("date_naissance", DATE),
         ("type_bilan", TEXT), ("date_signalement", DATE), ("date_premier_contact", DATE), ("date_diagnostic", DATE),
         ("date_parcours", DATE), ("date_bilan", DATE), ("date_sortie", DATE), ("origine_signalement", TEXT),
         ("statut_pro", TEXT), ("risque_arret", TEXT), ("famille_pathologie", TEXT), ("motifs_risque", TEXT),
         ("diag_administratif", TEXT), ("diag_social", TEXT), ("diag_medical", TEXT), ("situation_emploi", TEXT),
         ("issue", TEXT), ("nb_entretiens", SMALL), ("satisfaction", SMALL), ("narratif", TEXT)]
    ),
    "bilan_mesures": pa.schema(
        [("bilan_id", TEXT), ("mesure", TEXT), ("statut", TEXT), ("date_debut", DATE), ("date_fin", DATE),
         ("cout_eur", EUROS)]
    ),
    "accords": pa.schema(
        [("dossier_id", TEXT), ("nir", TEXT), ("portee", TEXT), ("evenement", TEXT), ("date", DATE), ("mode", TEXT)]
    ),
    "couts_programme": pa.schema(
        [("plateforme_id", TEXT), ("mois", TEXT), ("categorie", TEXT), ("montant_eur", EUROS), ("financement", TEXT)]
    ),
}  # fmt: skip
"""Arrow schemas of the tables written row by row, columns in the contract's order."""
