"""Names of persons, towns and firms: made up, or so common that they point to nobody."""

from __future__ import annotations

_ROOTS = (
    "Aubri", "Barto", "Bellan", "Berli", "Bourda", "Brévi", "Cassi", "Chambau", "Clavi", "Corbi", "Cresso", "Dargi",
    "Delmou", "Dorva", "Escari", "Fabri", "Fauvi", "Fontai", "Gali", "Garri", "Gervo", "Grani", "Hauti", "Jalli",
    "Lambe", "Lormi", "Malva", "Marsi", "Mervi", "Montau", "Narbo", "Orsi", "Pallu", "Perrau", "Ponti", "Quervi",
    "Rambe", "Rouvi", "Salva", "Servi", "Tarda", "Thévi", "Vallo", "Verdi", "Vigno",
)  # fmt: skip
_ENDINGS = ("er", "naud", "net", "neau", "dier", "court", "lot", "gnac", "sson", "ret", "lard", "mont", "ville", "zan")
_COMMON = (
    "Martin", "Bernard", "Petit", "Durand", "Leroy", "Moreau", "Simon", "Laurent", "Michel", "Garcia", "David",
    "Bertrand", "Roux", "Vincent", "Fournier", "Morel", "Girard", "André", "Mercier", "Dupont", "Lambert", "Bonnet",
    "Le Gall", "Le Goff", "Nguyen", "Diallo", "Benali", "Da Silva", "Lopez", "O'Brien", "N'Diaye", "Ben Saïd",
    "Saint-Just", "Roche", "Rivière", "Lemoine", "Blanc", "Noël", "Boulanger", "Berger", "Marchand", "Meunier",
)  # fmt: skip
SURNAMES = tuple(sorted({root + ending for root in _ROOTS for ending in _ENDINGS} | set(_COMMON)))
"""Surnames."""
MALE_NAMES = (
    "Adrien", "Alain", "Antoine", "Arthur", "Benoît", "Bruno", "Cédric", "Christophe", "Damien", "David", "Didier",
    "Éric", "Fabrice", "Farid", "Florian", "François", "Gérard", "Guillaume", "Hervé", "Hugo", "Ibrahim", "Jean",
    "Jean-Luc", "Jean-Marc", "Jérôme", "Julien", "Karim", "Kévin", "Laurent", "Loïc", "Lucas", "Marc", "Mathieu",
    "Mehdi", "Michel", "Moussa", "Nicolas", "Olivier", "Pascal", "Patrick", "Paul", "Philippe", "Pierre", "Quentin",
    "Rachid", "Rémi", "Romain", "Samuel", "Sébastien", "Stéphane", "Thierry", "Thomas", "Vincent", "Yann", "Yves",
)  # fmt: skip
"""First names of men."""
FEMALE_NAMES = (
    "Agnès", "Amandine", "Aminata", "Anne", "Anne-Laure", "Audrey", "Aurélie", "Béatrice", "Camille", "Carine",
    "Caroline", "Catherine", "Céline", "Chantal", "Chloé", "Christine", "Claire", "Coralie", "Corinne", "Delphine",
    "Élise", "Élodie", "Émilie", "Estelle", "Fatima", "Florence", "Françoise", "Hélène", "Inès", "Isabelle", "Jeanne",
    "Julie", "Karine", "Laetitia", "Laurence", "Léa", "Leïla", "Manon", "Marie", "Marie-Pierre", "Martine", "Mélanie",
    "Monique", "Nadia", "Nathalie", "Noémie", "Pauline", "Sabrina", "Samia", "Sandrine", "Sophie", "Sylvie",
    "Valérie", "Véronique", "Virginie", "Yasmine",
)  # fmt: skip
"""First names of women."""
_TOWN_ROOTS = (
    "Montra", "Villebri", "Castelno", "Rochefa", "Fontabe", "Clairva", "Beaula", "Longue", "Haute", "Saintau",
)  # fmt: skip
TOWNS = tuple(
    f"{root}{ending}" for root in _TOWN_ROOTS for ending in ("c-sur-Orle", "lles", "gny", "mont-les-Bois", "court")
)
"""Made-up towns."""
STREETS = (
    "rue des Lavandières", "avenue du Vieux-Moulin", "impasse des Charmes", "boulevard Armand-Quintal",
    "place du Marché-aux-Grains", "chemin de la Fontaine", "allée des Bruyères", "rue Hortense-Valmier",
)  # fmt: skip
"""Made-up streets."""
FIRMS = (
    "Transports Valorne", "Boulangerie Maison Bréval", "Clinique du Parc Fauvel", "Ateliers Corbane",
    "SARL Toiture Lidec", "Groupe Mercane", "Association Les Tournesols", "Garage de la Croisée",
    "Nettoyage Propria", "Fonderie Sarrac", "Crèche Les Petits Galets", "Imprimerie Duvelle", "Maçonnerie Talbi Frères",
    "Supermarché Ombrelle", "Menuiserie Hautreux",
    "Mairie de Fontabegny",
)  # fmt: skip
"""Made-up firms."""
