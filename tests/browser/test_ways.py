"""Sorting, filtering, finding, and going about by keyboard, in a real browser."""

import numpy as np
import pytest
from gallery_site import CLASSES, DEAD, EPOCHS, FOLLOWED, SOME
from selenium.webdriver.common.keys import Keys

from zfpipe.site.layers import selectivity


@pytest.fixture
def conv2(topk):
    return topk.layers["conv2"]


def labels(layer):
    return np.where(layer.image_index < 0, -1, layer.image_index % len(CLASSES))


def mostly(layer, unit):
    """The first, in rank, of the classes that are most frequent; -1 for a dead unit."""
    own = [int(label) for label in labels(layer)[unit] if label >= 0]
    return max(dict.fromkeys(own), key=own.count, default=-1)


def test_sorting_by_activation_and_selectivity(page, conv2):
    units = range(len(conv2.row))
    page.open("#/layer/conv2")
    assert page.units() == list(units)
    page.choose("Sort by", "activation")
    assert page.units() == sorted(units, key=lambda unit: (-conv2.activation[unit, 0], unit))
    page.choose("Sort by", "selectivity")
    entries = (labels(conv2) >= 0).sum(1)
    few = {unit for unit in units if 0 < entries[unit] < conv2.image_index.shape[1]}
    most = {
        unit: entries[unit] - 99 if unit in few else selectivity(labels(conv2)[unit], len(CLASSES)) for unit in units
    }
    assert page.units()[: -len(DEAD)] == sorted(set(units) - set(DEAD), key=lambda unit: (-most[unit], unit))
    told = page.texts("#dynamic .wall .n")[: -len(DEAD)]
    assert few
    assert all(words.endswith(("image", "images")) for words in told[-len(few) :])
    assert not any("image" in words for words in told[: -len(few)])
    assert page.script("return document.activeElement.dataset.key") == "Sort by"
    page.go(f"#/layer/conv2/unit/{min(few)}")
    assert "Class selectivity is not told" in page.one("main").text


def test_sorting_by_class_keeps_classes_together(page, conv2):
    page.open("#/layer/conv2?sort=class")
    order = [mostly(conv2, unit) for unit in page.units()]
    assert order == sorted(order, key=lambda label: label if label >= 0 else 99)


def test_sorting_by_similarity_begins_with_the_unit_itself(page):
    page.open("#/layer/conv2?sort=similar&to=3")
    assert page.units()[0] == 3
    values = [float(value) for value in page.texts("#dynamic .wall .n") if value]
    assert page.units()[-len(DEAD) :] == list(DEAD)
    assert values[0] == 1
    assert values == sorted(values, reverse=True)


def test_filters_leave_what_they_say(page, conv2):
    page.open("#/layer/conv2")
    page.choose("Show", "dead")
    assert page.units() == list(DEAD)
    page.choose("Show", "alive")
    assert set(page.units()) == set(range(len(conv2.row))) - set(DEAD)
    page.choose("Mostly", CLASSES[0])
    assert page.units() == [unit for unit in range(len(conv2.row)) if mostly(conv2, unit) == 0]
    page.choose("Show", "dead")
    assert "No unit is like that" in page.one("#dynamic .note").text


def test_find_goes_to_a_unit_and_refuses_one_that_is_not_there(page):
    page.open("#/layer/conv3")
    page.press("/", "1", Keys.ENTER)
    assert page.driver.current_url.endswith("#/layer/conv3")
    assert "no unit 1" in page.script("return document.getElementById('find').validationMessage")
    page.press(Keys.BACKSPACE, "5", Keys.ENTER)
    assert page.driver.current_url.endswith("#/layer/conv3/unit/5")


def test_arrows_go_through_units_in_the_order_of_the_layer(page, conv2):
    order = sorted(range(len(conv2.row)), key=lambda unit: (-conv2.activation[unit, 0], unit))
    page.open(f"#/layer/conv2/unit/{order[1]}?sort=activation")
    page.press(Keys.ARROW_RIGHT)
    assert page.one("#dynamic h1").text == f"Unit {order[2]}"
    assert page.script("return document.activeElement.tagName") == "H1"
    page.press(Keys.ARROW_LEFT)
    page.press(Keys.ARROW_LEFT)
    assert page.one("#dynamic h1").text == f"Unit {order[0]}"
    page.press(Keys.ARROW_LEFT)  # there is none before
    assert page.one("#dynamic h1").text == f"Unit {order[0]}"
    page.press("u")
    assert page.driver.current_url.endswith("#/layer/conv2?sort=activation")
    assert page.script("return document.activeElement.dataset.unit") == str(order[0])


def test_arrows_go_from_tile_to_tile(page):
    page.open("#/layer/conv2")
    focused = "return document.activeElement.dataset.unit"
    page.press(Keys.ARROW_RIGHT)
    assert page.script(focused) == "0"
    page.press(Keys.ARROW_RIGHT)
    assert page.script(focused) == "1"
    across = page.script(
        "const all = [...document.querySelectorAll('.wall li')]; const top = all[0].offsetTop;"
        "return all.filter((each) => each.offsetTop === top).length"
    )
    page.press(Keys.ARROW_DOWN)
    assert page.script(focused) == str(1 + across)
    page.press(Keys.ARROW_UP)
    assert page.script(focused) == "1"
    page.press(Keys.ENTER)
    assert page.one("#dynamic h1").text == "Unit 1"


def test_tab_reaches_the_content_first_and_then_the_views(page):
    page.press(Keys.TAB)
    assert page.script("return document.activeElement.className") == "skip"
    page.press(Keys.ENTER)
    assert page.script("return document.activeElement.id") == "view"
    page.press(Keys.TAB)
    assert page.script("return document.activeElement.getAttribute('href')") == "#/layer/conv1"


def test_the_overlay_and_its_slider(page):
    page.open("#/layer/conv2/unit/0")
    page.press("p")
    opacity = "return getComputedStyle(document.querySelector('.both .back')).opacity"
    assert float(page.script(opacity)) == 0.6
    places = "return [...document.querySelector('.both').children].map((e) => e.getBoundingClientRect().left)"
    assert len(set(page.script(places))) == 1
    slider = page.one("#mix")
    slider.send_keys(Keys.HOME)
    assert float(page.script(opacity)) == 0
    page.script("document.activeElement.blur()")
    page.press(Keys.ARROW_RIGHT)
    assert page.one("#dynamic h1").text == "Unit 1"
    page.press(Keys.ARROW_LEFT)
    assert float(page.script(opacity)) == 0  # stays from unit to unit
    page.press("p")
    assert len(set(page.script(places))) == 2


def test_help_opens_and_closes_and_keys_rest_meanwhile(page):
    page.open("#/layer/conv3")
    page.press("?")
    assert page.script("return document.getElementById('help').open")
    page.press("u")
    assert page.driver.current_url.endswith("#/layer/conv3")
    page.press(Keys.ESCAPE)
    assert not page.script("return document.getElementById('help').open")


def test_projections_and_patches_by_key_and_in_the_address(page):
    page.open("#/layer/conv3?sort=activation")
    page.press("p")
    assert page.driver.current_url.endswith("#/layer/conv3?sort=activation&show=patch")
    assert (
        page.script("return document.querySelector('[data-key=\"Pictures patch\"]').getAttribute('aria-pressed')")
        == "true"
    )
    assert page.script("return document.querySelector('.wall canvas').getAttribute('aria-label')").startswith(
        "Strongest image"
    )
    assert len(page.units()) == len(SOME)


def test_back_leads_back(page):
    page.open("#/layer/conv2")
    page.one('#dynamic .wall a[data-unit="3"]').click()
    page.settle()
    assert page.one("#dynamic h1").text == "Unit 3"
    page.driver.back()
    page.settle()
    assert page.one("#dynamic h1").text == "conv2"
    assert page.script("return document.activeElement.dataset.unit") == "3"


def test_a_unit_that_was_followed_is_shown_through_the_epochs(page):
    page.open("#/layer/conv2")
    assert page.texts(".facts a") == [str(unit) for unit in FOLLOWED]
    page.one(".facts a").click()
    page.settle()
    assert page.driver.current_url.endswith(f"#/layer/conv2/unit/{FOLLOWED[0]}")
    page.script("document.querySelector('.epochs').scrollIntoView()")
    page.settle()
    assert page.texts(".epochs h3") == [f"epoch {epoch}" for epoch in EPOCHS]
    jumps = page.script("return [...document.querySelectorAll('.epochs > li')].map((e) => e.className === 'jump')")
    assert jumps == [False, True, False, True]
    assert [text.endswith("another image") for text in page.texts(".epochs > li")] == jumps
    labels = page.script("return [...document.querySelectorAll('.epochs canvas')].map((e) => e.ariaLabel)")
    assert len(labels) == 2 * len(EPOCHS)
    assert labels[2].startswith("Projection at epoch 2 of class ")
    page.go(f"#/layer/conv2/unit/{FOLLOWED[1]}")
    assert [text == "silent" for text in page.texts(".epochs > li > :nth-child(2)")] == [True, False, False, False]
    page.go("#/layer/conv2/unit/3")
    assert page.texts(".epochs h3") == []


def test_an_address_of_another_run_is_made_sense_of(page, conv2):
    for asked in ("class=nonsense", "sort=bogus", "sort=similar&to=9999"):
        page.open(f"#/layer/conv2?{asked}")
        assert page.units() == list(range(len(conv2.row)))
    page.open("#/image/abc")
    assert "There is no image abc; the images are 0 to" in page.one("#dynamic").text
    page.open("#/layer/conv2/unit/05")
    assert "no unit 05" in page.one("#dynamic").text


def test_a_unit_tells_how_all_images_excite_it(page, conv2):
    page.open("#/layer/conv2/unit/0")
    counts = conv2.histogram[0]
    words = page.one(".spread").get_attribute("aria-label")
    assert f"{counts[1:].sum()} of {counts.sum()} images excite it, {counts[0]} does not; half of" in words
    counts = conv2.histogram[2]
    page.go("#/layer/conv2/unit/2")
    words = page.one(".spread").get_attribute("aria-label")
    assert f"{counts[1:].sum()} of {counts.sum()} images excite it, {counts[0]} do not; half of" in words
    heights = page.script(
        "return [...document.querySelectorAll('.spread span')].map((bar) => parseFloat(bar.style.height))"
    )
    used = [height for height in heights if height]
    assert len(used) == (counts[1:] > 0).sum()
    assert max(used) == 100
