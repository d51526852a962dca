"""The words that simulated profiles and places are made of. No person, brand or address among them."""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_NAMES = {
    "woman": words(
        """
    Ada Alma Amina Ana Anya Beatriz Camila Carla Chloe Clara Daria Elena Elif Emma Eva Farah Freya
    Giulia Hana Helena Ines Ingrid Iris Isla Jana Joana Julia Kaia Laila Lara Leila Lena Lucia Maja Mara
    Maria Maya Mei Mila Mina Nadia Naomi Nina Noor Olivia Priya Rosa Sara Sofia Tara Vera Yara Zoe
        """
    ),
    "man": words(
        """
    Adam Ali Amir Anders Andre Anton Arjun Ben Bruno Carlos Daniel David Diego Elias Emil Erik Felix
    Finn Gabriel Hugo Ivan Jakob Jamal Jan Joao Jonas Jorge Julian Kai Karim Kenji Lars Leo Liam Louis
    Luca Lukas Marco Marcus Mateo Max Miguel Milo Nico Noah Omar Oscar Pablo Rafael Ravi Samuel Theo
    Tomas Victor
        """
    ),
    "nonbinary": words(
        """
    Alex Ari Charlie Eden Jules Kim Kit Lou Max Noa Quinn Remy River Robin Rowan Sam Sky
        """
    ),
}
INDUSTRIES = (
    "film",
    "music",
    "fashion",
    "technology",
    "finance",
    "media",
    "art",
    "design",
    "hospitality",
    "law",
    "health",
    "real estate",
    "sport",
    "education",
)
SKILLS = words(
    """
    negotiation budgeting storytelling leadership fundraising coaching scheduling research recruiting
    sales copywriting branding typography animation lighting colour retouching mixing mastering
    arranging choreography improvisation pitching statistics python modelling drafting sourcing
    tailoring translation teaching moderation licensing contracts logistics event-design
    photography-editing sound-design tasting strategy
    """
)
INTERESTS = words(
    """
    hiking cinema jazz techno opera ballet painting ceramics photography poetry novels chess tennis
    surfing sailing skiing climbing yoga running cycling cooking wine coffee travel languages history
    architecture astronomy gardening dogs cats volunteering fashion vinyl theatre museums
    """
)
CATEGORIES = (
    "restaurant",
    "bar",
    "cafe",
    "hotel",
    "gallery",
    "club",
    "museum",
    "studio",
    "spa",
    "park",
    "shop",
    "cinema",
)
TAGS = words(
    """
    rooftop quiet late-night live-music terrace vegetarian design historic view garden intimate lively
    co-working wine natural-light family-run
    """
)
PLACE_NAMES = words(
    """
    Amber Anchor Arch Atlas Birch Bridge Cedar Copper Corner Courtyard Delta Ember Fern Fountain Garden
    Harbour Hazel Iron Ivory Juniper Lantern Linden Marble Maple Meadow Mirror North Oak Olive Orchard
    Palm Paper Pearl Pine Quarry River Saffron Salt Silver South Stone Summit Terrace Tide Velvet Walnut
    Willow
    """
)
