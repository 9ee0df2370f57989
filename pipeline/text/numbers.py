"""Identifiers made of digits and signs: found by shape, scored by checksum, never dropped for a wrong key.

Every pattern starts on a digit or a sign and has bounded repetition, so that one pass over a text is linear.

Sources: NIR key 97 - (number mod 97), Corsica 2A -> 19 and 2B -> 18 (INSEE); Luhn for SIREN, SIRET and RPPS, and the
multiple-of-5 rule for La Poste's establishments (INSEE); IBAN mod 97 (ISO 13616); French numbering plan (ARCEP).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.text.spans import Label, Span

_GAP = r"[ .\-/_\n]{0,2}"
_O = r"(?:[0-9]|[OoQIl](?![^\W\d_]))"  # digits and the letters typed for them

# All alternatives share the first character, so that the engine skips letters at the speed of a search for a class.
_MAIN = re.compile(
    rf"""[0-9OQ](?:
    (?P<nir>(?<=[1-478]){_GAP}\d{_GAP}\d{_GAP}\d{_GAP}\d{_GAP}(?:\d{_GAP}\d|2{_GAP}[AaBb])(?:{_GAP}\d){{6}}
        (?:[ .\-/_]{{0,2}}(?:[cC][lL][eéEÉ][fF]?)?[ :.\-/_]{{0,2}}\d[ ]?\d)?(?!\d|[ .\-]\d))
  | (?P<iso>(?<=\d)\d{{3}}[ ]?[-/.|][ ]?\d{{1,2}}[ ]?[-/.|][ ]?\d{{1,2}}(?!\d|[.\-/]\d))
  | (?P<date>(?<=\d)\d?[ ]{{0,2}}[/.|\-][ ]{{0,2}}\d{{1,2}}[ ]{{0,2}}[/.|\-][ ]{{0,2}}\d\d(?:\d\d)?
        (?!\d|[.\-/]\d|[ ]\d\d[ .\-/]\d\d(?!\d)))
  | (?P<spaced_date>(?:(?<=\d)|(?<=[0-3])\d)[ ](?:0\d|1[0-2])[ ](?:19|20)\d\d(?!\d))
  | (?P<month>(?:(?<=[1-9])|(?<=0)[1-9]|(?<=1)[0-2])[/.](?:19|20)\d\d(?!\d))
  | (?P<short_date>(?<=\d)\d?[ ]?/[ ]?\d{{1,2}}(?![\d/]))
  | (?P<dotted_date>(?<=\d)\d?\.(?:0\d|1[0-2])(?!\d|\.\d))
  | (?P<age>(?<=\d)\d{{1,2}}[ ]?ans\b)
  | (?P<pairs>(?<=0)[1-9][ .\-]\d\d(?:[ .\-]\d\d)?(?![\d.,]|[ .\-/]\d))
  | (?P<code>(?<=\d)\d{{0,3}}[A-GI-Z]\d{{1,6}}(?![A-Za-z0-9]))
  | (?P<run>(?:(?<=\d)|(?<![A-Za-z]{{2}}))(?:[ .\-/_()\n]{{0,2}}{_O}){{4,60}})
    )""",
    re.VERBOSE,
)
_SIGNED = re.compile(rf"(?:\(?\+|(?<![0-9A-Za-z])(?<![0-9A-Za-z][ .\-])00)[ ]?\(?\d(?:[ .\-/_()]{{0,2}}{_O}){{5,20}}")
# Without these signs a slower pattern cannot fit; most texts hold none.
_SIGN_OF_AN_IBAN = re.compile(r"\d(?<=[A-Za-z]\d)\d[ \-]?[0-9A-Za-z]{4}")
_SIGN_OF_A_SPELT_NAME = re.compile(r"[ ,\-][^\W\d_](?:[ ]|[ ]?[,\-][ ]?)[^\W\d_][ ,\-]")
_SIGN_OF_A_PLATE = re.compile(r"\d{3}(?:[ \-]?[A-HJ-NP-TV-Z]{2}|-[a-z]{2})(?!\w)")
_SIGN_OF_A_REFERENCE = re.compile(
    r"[\-/_](?:(?<=[a-z].)(?=\w{0,12}\d)|(?<=\d.)(?=\w{0,12}[a-z])|(?:(?<=[a-z]\d.)|(?<=[a-z]\d\d.)|(?<=[a-z]\d{4}.))(?=\d))",
    re.IGNORECASE,
)
_SIGN_OF_A_NICKNAME = re.compile(r"[._][a-z]")
_IBAN = re.compile(
    r"(?<![0-9A-Za-z])[A-Za-z]{2}\d{2}(?:[ \-]?[0-9A-Za-z]{4}){2,7}(?:[ \-]?[0-9A-Za-z]{1,3})?(?![0-9A-Za-z])"
)
_AT = re.compile(r"@+|[(\[][ ]?(?:at|arobase|a)[ ]?[)\]]|arobase")
_LOCAL = re.compile(r"(?:[\w.%+'\-]{1,40}[ ]\.[ ])?[\w.%+'\-]{1,64}[ ]?$")
_HOST = re.compile(r"[ ]?[\w\-]{1,63}(?:[ ]?(?:\.|\bpoint\b)[ ]?[\w\-]{1,63}){0,6}")
_LINK = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"']{1,300}")
_ENDING = re.compile(r"\.(?:fr|com|org|net|eu|info|io|be|ch|re)\b(?:/[^\s<>\"']{0,200})?")
_SITE = re.compile(r"[\w\-.]{1,100}$")
_CODE = re.compile(
    r"(?<![^\W\d_])(?:(?:ipp|nip|nda|iep|nir|ins|rpps|adeli|finess|siret|siren|nudos|bip|dect|matricule|immatriculation)\b|"
    r"n°|nº|num[eé]ro|num\.|r[eé]f(?:[eé]rence)?\b|dossier|poste|t[eé]l(?:[eé]phone)?\b|code|bo[iî]te|no\b)"
    r"[ ]?(?:(?:patient|dossier|s[eé]jour|de|du|d'|interne|externe|administratif|permanent|\(?ipp\)?|\(?nda\)?|"
    r"s[eé]cu|n°|nº)[ ]?){0,3}[ ]?[:.#=]?[ ]{0,2}"
    r"(?P<code>(?=[a-z\-/.]{0,6}\d)[0-9a-z](?:[\-/.]?[0-9a-z]){2,30})"
)
# A reference has a sign between letters and figures (`PRV-2207841`, `SS/68/2023-1197`); so has a number plate.
_REFERENCE = re.compile(
    r"[a-z\d](?<![\w.\-/][a-z\d])(?:(?<=[a-z])|(?=[a-z\d\-/_]{0,11}[a-z]))[a-z\d]{0,7}"
    r"(?:[\-/_][a-z\d]{1,12}){1,8}(?![\w\-/])",
    re.IGNORECASE | re.ASCII,
)
# Letters one by one spell a name (`A U B E R T`, `L e g r a n d`).
_SPELT = re.compile(r"(?<![\w'])(?:[^\W\d_](?:[ ]|[ ]?[,\-][ ]?)){4,30}[^\W\d_](?![\w'])")
_PLATE = re.compile(
    r"(?<![\w])(?:[A-HJ-NP-TV-Z]{2}[ \-]?\d{3}[ \-]?[A-HJ-NP-TV-Z]{2}|[a-hj-np-tv-z]{2}-\d{3}-[a-hj-np-tv-z]{2})(?!\w)"
)
_ARTICLE = re.compile(r"[LRDA]\d{1,4}(?:-\d{1,3}){0,3}")
_FIGURES = 4
_BEFORE_RUN = re.compile(r"(?<!\w)(?:[A-Za-z]{1,4}|\d[A-Z][ ])$")
_LETTERS_BEFORE = re.compile(r"(?<![\w.'])[A-Z]{1,4}[ ]$")
_FIGURES_WITH_LETTERS = 7
_SAID_BEFORE = frozenset(
    ("TEL", "FAX", "PORT", "NIR", "NSS", "SS", "RIB", "CPAM", "CAF", "MSA", "MDPH", "CCAS", "LE", "LA", "DU", "DE",
     "DES", "AU", "ET", "OU", "A", "AUX", "EN", "PAR", "SUR", "SON", "SA", "EUR", "CP")
)  # fmt: skip
"""Capitals before a number that do not belong to it."""
# A number is a person's behind a word that numbers persons, however short it is (`licence n° 12`).
_NUMBERED = re.compile(r"n(?:°|º|o|um[ée]ro)[ ]?:?[ ]?(?P<code>(?:[a-z]{1,3}[ \-]?)?\d{1,12})(?!\d|[,.]\d)")
_NUMBERS_PERSONS = re.compile(
    r"\b(?:dossier|licence|contrat|allocataire|adh[ée]rent|sinistre|matricule|permis|carte|chambre|police|b[ée]n[ée]ficiaire|"
    r"client|badge|casier|box|bail|agr[ée]ment|inscription|immatriculation|logement|parcelle|salari[ée]|assur[ée]|pr[êe]t)"
    r"e?s?[ ](?:[a-zéèê]{1,15}[ ]){0,2}$"
)
_LONGEST_NUMBERING = 50
_AFTER_RUN = re.compile(r"[ ][A-Zb-xz](?![\w'’.])")
_HANDLE = re.compile(r"[\w\-]{2,30}(?:\.[\w\-]{1,30}){0,3}")
_NICKNAME = re.compile(r"(?<![\w.@/\-])[a-z]{2,20}[._][a-z]{2,20}[\d_]{1,6}(?![\w@])")
_GREAT_AGE = re.compile(
    r"\b(?:quatre[ \-]vingts?[ \-](?:dix|onze|douze|treize|quatorze|quinze|seize)(?:[ \-](?:sept|huit|neuf))?|"
    r"cent(?:[ \-](?:un|une|deux|trois|quatre|cinq|six|sept|huit|neuf|dix))?)[ ]ans\b"
)
_DATE_BEFORE = re.compile(
    r"(?:\b(?:le|du|au|des|les|depuis|d[eè]s|jusqu'au|vers|rdv|date|c\d{1,2}|j\d{1,2})[ :=]{0,3}|[(:])$", re.IGNORECASE
)
_NOT_DIGIT = re.compile(r"[^0-9]")
_TYPED = str.maketrans("OoQIl", "00011")
_MONEY = re.compile(r"\s?(?:€|euros?\b|eur\b|k€|fcfa\b)", re.IGNORECASE)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]\d{3}){1,3}")
_FIRST_GROUP = re.compile(r"[0-9]+|.")
_UNITS = re.compile(
    r"[ ]?(?:€|euros?\b|mg\b|ml\b|kg\b|g\b|km\b|m\b|mm\b|kcal\b|h\b|heures?\b|ui\b|mn\b|pas\b|jours?\b|%|m[eè]tres?\b)",
    re.IGNORECASE,
)
_OVERSEAS = ("262", "263", "269", "508", "590", "594", "596", "681", "687", "689")


def digits(text: str) -> str:
    """The digits of a number however typed: letters for digits replaced, separators dropped."""
    return _NOT_DIGIT.sub("", text.translate(_TYPED))


def nir_key_is_right(number: str) -> bool:
    """Whether a 15-character NIR has its key (97 - number mod 97)."""
    body, key = number[:13].upper().replace("2A", "19").replace("2B", "18"), number[13:]
    return len(number) == 15 and body.isdigit() and key.isdigit() and int(key) == 97 - int(body) % 97


def luhn(number: str) -> bool:
    """Luhn's checksum over a string of digits."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def siret_is_right(number: str) -> bool:
    """Luhn over 14 digits; for La Poste (SIREN 356000000) the digits may also sum to a multiple of 5."""
    return luhn(number) or (number.startswith("356000000") and sum(map(int, number)) % 5 == 0)


def iban_is_right(number: str) -> bool:
    """Mod 97 of an IBAN without spaces."""
    rearranged = number[4:] + number[:4]
    return int("".join(str(int(c, 36)) for c in rearranged)) % 97 == 1


def kind_of_run(number: str, before: str) -> tuple[Label, float]:
    """What a run of digits most likely is.

    Args:
        number: its digits.
        before: what stands before it (about 20 characters), where a word may name it.
    """
    cue = before.upper()
    size = len(number)
    for word, label, lengths in (
        ("RPPS", Label.RPPS, (11,)), ("ADELI", Label.ADELI, (9,)), ("FINESS", Label.FINESS, (9,)),
        ("SIRET", Label.SIRET, (14,)), ("SIREN", Label.SIREN, (9,)),
    ):  # fmt: skip
        if word in cue and size in lengths:
            return label, 0.95
    if size == 14 and siret_is_right(number):
        return Label.SIRET, 0.9
    if size == 10 and number[0] == "0" and number[1] != "0":
        return Label.PHONE, 0.95
    if size == 11 and luhn(number) and number[0] in "18":
        return Label.RPPS, 0.8
    if size == 9 and luhn(number):
        return Label.SIREN, 0.7
    if (size == 11 and number.startswith("33")) or (size == 13 and number.startswith("0033")):
        return Label.PHONE, 0.9
    if size == 12 and number[:3] in _OVERSEAS:
        return Label.PHONE, 0.9
    return Label.NUMBER, 0.6


def _day_and_month(text: str) -> bool:
    first, second = (int(part) for part in re.findall(r"\d+", text)[:2])
    return (1 <= first <= 31 and 1 <= second <= 12) or (1 <= second <= 31 and 1 <= first <= 12)


def find(text: str) -> Iterator[Span]:
    """Every structured identifier of a text, in no order. Linear in its length."""
    position = 0
    while (match := _MAIN.search(text, position)) is not None:
        judged = list(_judged(text, match))
        yield from judged
        position = match.end()
        if not judged and match.lastgroup == "run":  # too few digits together: look again behind the first of them
            first = _FIRST_GROUP.match(text, match.start())
            position = first.end() if first else match.end()
    if "+" in text or "00" in text:
        for match in _SIGNED.finditer(text):
            yield Span(match.start(), match.end(), Label.PHONE, 0.9)
    if _SIGN_OF_AN_IBAN.search(text):
        for match in _IBAN.finditer(text):
            number = re.sub(r"[ \-]", "", match.group()).upper()
            if sum(c.isdigit() for c in number) >= 8:
                yield Span(match.start(), match.end(), Label.IBAN, 0.99 if iban_is_right(number) else 0.6)
    for match in _REFERENCE.finditer(text) if _SIGN_OF_A_REFERENCE.search(text) else ():
        found = match.group()
        fewest = _FIGURES + found.islower()  # `covid-2019`
        if sum(c.isdigit() for c in found) >= fewest and not _ARTICLE.fullmatch(found.upper()):
            yield Span(match.start(), match.end(), Label.NUMBER, 0.5)
    for match in _SPELT.finditer(text) if _SIGN_OF_A_SPELT_NAME.search(text) else ():
        yield Span(match.start(), match.end(), Label.PERSON, 0.6)
    for match in _PLATE.finditer(text) if _SIGN_OF_A_PLATE.search(text) else ():
        yield Span(match.start(), match.end(), Label.NUMBER, 0.6)
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter whose small form is two characters would shift what follows
        lowered = text
    yield from _addresses(lowered)
    for match in _NUMBERED.finditer(lowered):
        if _NUMBERS_PERSONS.search(lowered, max(0, match.start() - _LONGEST_NUMBERING), match.start()):
            yield Span(match.start("code"), match.end("code"), Label.NUMBER, 0.5)
    for match in _CODE.finditer(lowered):
        named = lowered.startswith(("ipp", "nip", "nda"), match.start())  # a hospital's own word tells the hospital
        yield Span(match.start() if named else match.start("code"), match.end("code"), Label.NUMBER, 0.5)


def _addresses(lowered: str) -> Iterator[Span]:
    """E-mail and web addresses of a text in lower case, looked for around their telling signs."""
    for match in _AT.finditer(lowered):
        local = _LOCAL.search(lowered, max(0, match.start() - 110), match.start())
        host = _HOST.match(lowered, match.end())
        if local and host:
            yield Span(local.start(), host.end(), Label.EMAIL, 0.95)
        elif match.group().startswith("@"):
            handle = _HANDLE.match(lowered, match.end())
            yield Span(match.start(), handle.end() if handle else match.end(), Label.URL, 0.5)
    for match in _NICKNAME.finditer(lowered) if _SIGN_OF_A_NICKNAME.search(lowered) else ():
        yield Span(match.start(), match.end(), Label.URL, 0.4)
    for match in _GREAT_AGE.finditer(lowered) if "cent" in lowered or "quatre" in lowered else ():
        yield Span(match.start(), match.end(), Label.AGE, 0.8)
    for match in _LINK.finditer(lowered):
        yield Span(match.start(), match.end(), Label.URL, 0.8)
    for match in _ENDING.finditer(lowered):
        if site := _SITE.search(lowered, max(0, match.start() - 100), match.start()):
            yield Span(site.start(), match.end(), Label.URL, 0.8)


def _judged(text: str, match: re.Match[str]) -> Iterator[Span]:
    kind, (start, end) = match.lastgroup, match.span()
    found = match.group()
    if kind == "nir":
        number = re.sub(r"[^0-9ABab]", "", re.sub(r"cl[eé]f?", "", found, flags=re.IGNORECASE)).upper()
        yield Span(start, end, Label.NIR, 0.99 if nir_key_is_right(number) else 0.6)
    elif kind in ("iso", "date", "spaced_date", "month"):
        yield Span(start, end, Label.DATE, 0.9)
    elif kind in ("short_date", "dotted_date"):
        # "6/10" is a score and "12.1" a measure unless a word before makes it a date or the figures are padded.
        named = _DATE_BEFORE.search(text, max(0, start - 14), start)
        second = re.findall(r"\d+", found)[1]
        score = kind == "short_date" and second in ("10", "20") and not found.startswith("0")
        if _day_and_month(found) and (named or (not score and (kind == "short_date" or not _UNITS.match(text, end)))):
            yield Span(start, end, Label.DATE, 0.6)
    elif kind == "pairs":
        yield Span(start, end, Label.PHONE, 0.5)
    elif kind == "code":
        if not (start and text[start - 1].isalpha()):
            yield Span(start, end, Label.NUMBER, 0.4)
    elif kind == "age":
        if int(digits(found)) >= 90:
            yield Span(start, end, Label.AGE, 0.8)
    else:
        yield from _run(text, start, end)


def _run(text: str, start: int, end: int) -> Iterator[Span]:
    """A run of five digits or more, unless it is an amount of money or ordinary letters."""
    while (
        end > start
        and not text[end - 1].isdigit()
        and not (text[end - 1] in "OoQIl" and not text[end : end + 1].isalpha())
    ):
        end -= 1
    while end > start and not text[end - 1].isdigit() and text[end : end + 1] == "'":  # the O of O'Connor is no zero
        end -= 1
    found = text[start:end].rstrip(" .-/_()\n")
    end = start + len(found)
    number = digits(found)
    typed = sum(c.isdigit() for c in found)
    if typed < 4 or len(number) < 5:
        return
    tight = max(map(len, re.findall(r"\d+", found)), default=0)
    if tight < 5 and len(number) < 7:
        return
    if _THOUSANDS.fullmatch(found) and (_MONEY.match(text, end) or _UNITS.match(text, end)):
        return
    if found.isdigit() and _MONEY.match(text, end) and len(found) <= 6:
        return
    if end < len(text) and (text[end].isalnum()):
        while end < len(text) and text[end].isalnum() and end - start < 80:
            end += 1
    if ")" in text[start:end] and "(" not in text[start:end] and text[start - 1 : start] == "(":
        start -= 1
    label, score = kind_of_run(number, text[max(0, start - 24) : start])
    if label is Label.NUMBER:
        before = _BEFORE_RUN.search(text, max(0, start - 5), start)
        if before is None and len(number) >= _FIGURES_WITH_LETTERS:
            letters = _LETTERS_BEFORE.search(text, max(0, start - 6), start)
            before = letters if letters and letters.group().rstrip() not in _SAID_BEFORE else None
        after = _AFTER_RUN.match(text, end)
        start, end = before.start() if before else start, after.end() if after else end
    yield Span(start, end, label, score)
