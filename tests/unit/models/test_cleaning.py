"""What is taken out of texts, what stays, and that it costs in proportion to the text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import clean
from models.text.markup import MAX_ATTRIBUTES

UNTOUCHED = [
    "",
    "Der Strom wird teurer.",
    "Ärztinnen und Bürger „zahlen“ 5 € \u2013 oder mehr …",
    "a < b und c > d",
    "a<b und c>d",
    "wenn x <y oder y> z gilt",
    "x<3",
    "<3 <3 <3",
    "I <3 Berlin & Hamburg",
    "AT&T, R&D; Müller & Söhne",
    "https://a.de/?x=1&copy=2&lt=3",
    "&unbekannt; &; &#; &#x; &amp",
    "<Name> und <Anschrift einsetzen>",
    "<max@beispiel.de> <https://beispiel.de/>",
    "->, <-, <=>, << und >>",
    "<",
    "]]>",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, where a non-joiner is spelling
    "\u0915\u094d\u200d\u0937",  # Hindi, with a joiner
    "\U0001f469\u200d\U0001f52c forscht, \u2764\ufe0f\u200d\U0001f525",
]


@pytest.mark.parametrize("text", UNTOUCHED, ids=ascii)
def test_a_text_with_nothing_to_clean_is_the_same_object(text):
    assert clean(text) is text


CLEANED = {
    "Wind\u00adkraft\u00adanlage": "Windkraftanlage",
    "Wind\u00ad\n  kraft": "Windkraft",
    "Wind\u200bkraft\ufeff und\u2060 \u200eStrom\u202c": "Windkraft und Strom",
    "Wind\u200dkraft\u200c": "Windkraft",
    "\U0001f600\u200dWort": "\U0001f600Wort",
    "10\u00a0km z.\u202fB.": "10 km z. B.",
    "Wa\u0308rme in Ko\u0308ln": "Wärme in Köln",
    "W&auml;rme &#228;ndert &#xe4; &#XE4; &euro;": "Wärme ändert ä ä €",
    "Wind&shy;kraft&nbsp;heute": "Windkraft heute",
    "Rock &amp; Roll": "Rock & Roll",
    "CO\u2082 und H\u2082O, 20 m\u00b2": "CO2 und H2O, 20 m\u00b2",
    "\ufb01nden, Ho\ufb00nung": "finden, Hoffnung",
    "&lt;b&gt; ist ein Tag": "<b> ist ein Tag",
    "&amp;auml; und &amp;lt;": "&auml; und &lt;",
    "&#0;&#xd800;&#1114112;": "\ufffd\ufffd\ufffd",
    "Wind<b>kraft</b> und <I>Strom</I>": "Windkraft und Strom",
    "CO<sub>2</sub> je m<sup class='h'>2</sup>": "CO2 je m2",
    "<p>Eins</p><p>Zwei<br>Drei<br/>Vier<BR />Fünf</p>": "\nEins\n\nZwei\nDrei\nVier\nFünf\n",
    "<td>Eins</td><td>Zwei</td>": " Eins  Zwei ",
    '<a href="x>y" title=\'"\' target=_blank hidden>Link</a>': "Link",
    "<img src='b.png' alt='>'/>Bild": " Bild",
    "Eins<!-- <b>nie</b> -->zwei": "Einszwei",
    "Eins <!-- bleibt": "Eins  bleibt",
    "<script>if (a < b) { c(); }</script>Text<STYLE>p {}</STYLE >": "\nText\n",
    "<script>bleibt": "\nbleibt",
    "<!DOCTYPE html><?xml version='1.0'?><html>Text</html>": "\nText\n",
    "<![CDATA[Text]]>": "Text",
    "<satz>Text</satz> <satz nr='1'>zwei<ende/>": " Text   zwei ",
    "<dc:title>Text</dc:title>": " Text ",
    "<Name> ohne </Ende>": "<Name> ohne  ",
}


@pytest.mark.parametrize("text", CLEANED, ids=ascii)
def test_what_is_no_text_is_taken_out(text):
    assert clean(text) == CLEANED[text]


# Whatever there is, but for markup, and often what is cleaned.
ANY = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="<&")
    | st.sampled_from(
        "a ä\n\u00ad\u200b\u200c\u200d\ufeff\u00a0\u0301\u0308\u0915\u0e01\U0001f469\ufe0f\u2060"
    )
)


@given(ANY)
def test_a_text_without_markup_is_cleaned_once_for_all(text):
    once = clean(text)
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)


@given(st.text())
def test_any_text_can_be_cleaned(text):
    assert isinstance(clean(text), str)


COUNT = 1_000_000
HOSTILE = {
    "openings": "<",
    "tags": "<b>",
    "unknown tags": "<q1>",
    "closing tags": "</q1>",
    "unclosed tags": "<a ",
    "unclosed closing tags": "</a",
    "names": "<" + "a" * 70,
    "spaces in a tag": "<a" + " " * 5000,
    "slashes in a tag": "<a" + "/" * 5000,
    "attributes": "<a " + "x=1 " * 2 * MAX_ATTRIBUTES,
    "bare attributes": "<a " + "hidden " * 2 * MAX_ATTRIBUTES,
    "unclosed values": '<a x="',
    "values of two quotes": "<a x=\"<a y='",
    "values across values": "<a x='\" y=\"' <a z=\"' ",
    "comments": "<!--",
    "comment ends": "<!-- -->",
    "scripts": "<script>",
    "scripts that end": "<script></script ",
    "styles and scripts": "<style><script>",
    "instructions": "<?a",
    "sections": "<![CDATA[",
    "section ends": "<![CDATA[]]>]]>",
    "ampersands": "&",
    "entities": "&amp;",
    "unclosed entities": "&" + "a" * 40,
    "numbers": "&#" + "1" * 40,
    "soft hyphens": "\u00ad",
    "soft hyphens and spaces": "\u00ad         ",
    "joiners": "\u200d",
    "emoji with joiners": "\U0001f600\u200d",
    "marks": "\u0301\u0323",
    "hard spaces": "a\u00a0",
}


@pytest.mark.hostile("requests to models")
@pytest.mark.timeout(6)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_million_characters_are_cleaned_in_the_time_of_any(name):
    piece = HOSTILE[name]
    for text in (piece * (COUNT // len(piece)), "a" + piece * (COUNT // len(piece)) + "-->"):
        assert isinstance(clean(text), str)


@pytest.mark.hostile("requests to models")
@pytest.mark.timeout(6)
def test_an_entity_of_entities_is_decoded_once():
    assert clean("&" + "amp;" * 200_000) == "&" + "amp;" * 199_999
    different = "".join(f"<q{number}></q{number}>" for number in range(60_000))
    assert clean(different).isspace()
