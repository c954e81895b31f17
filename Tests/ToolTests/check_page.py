#!/usr/bin/env python3
"""Opens the page that `pellucid explain` writes in a real browser: it renders, its controls work, nothing is fetched."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import browser

ROOT = Path(__file__).resolve().parents[2]
TOOL = str(Path(os.environ.get("PELLUCID_TOOL") or ROOT / "build" / "pellucid").resolve())
FIXTURES = ROOT / "Tests" / "Fixtures"
METHODS = ["grad-cam", "saliency"]
CLASSES = [3, 7]


@unittest.skipUnless(browser.path(), "no Chromium on this machine")
class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        images = [FIXTURES / "images" / name for name in ("chelsea.png", "rocket.jpg")]
        subprocess.run(
            [TOOL, "explain", FIXTURES / "models" / "fashion_cnn_gap.onnx", *images, "--method", ",".join(METHODS), "--target",
             ",".join(map(str, CLASSES)), "--preset", "unit", "--output", folder.name, "--quiet"], check=True, timeout=300)
        cls.page = Path(folder.name) / "index.html"
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.open(self.page)

    def tearDown(self):
        self.assertEqual(self.browser.complaints(), [])

    def ask(self, expression):
        return self.browser.ask(expression)

    def change(self, identifier, value):
        self.ask(f"(() => {{ const i = document.getElementById('{identifier}'); i.value = {value}; i.dispatchEvent(new Event('input')); }})()")

    def test_every_picture_is_there(self):
        sizes = self.ask("[...document.images].map((i) => i.complete && i.naturalWidth * i.getBoundingClientRect().width)")
        self.assertEqual(len(sizes), 2 * len(METHODS) * len(CLASSES))
        self.assertTrue(all(sizes))
        self.assertFalse(self.ask("document.getElementById('controls').hidden"))
        self.assertEqual(self.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), True)

    def test_pictures_zoom_together(self):
        style = "[...document.querySelectorAll('.lens')].map((l) => { const s = getComputedStyle(l); return s.transform + s.transformOrigin })"
        before = set(self.ask(style))
        self.change("zoom", 4)
        after = self.ask(style)
        self.assertTrue(all(value.startswith("matrix(4,") for value in after) and not before & set(after))
        self.assertEqual(self.ask("document.querySelector('output[for=zoom]').value"), "4 x")
        # By keyboard alone, from any picture.
        self.ask("document.querySelector('.picture').focus()")
        for key in ("+", "ArrowLeft", "ArrowLeft"):
            self.browser.press(key)
        moved = self.ask(style)
        self.assertTrue(all(value.startswith("matrix(4.5,") for value in moved))
        self.assertEqual(self.ask("document.documentElement.style.getPropertyValue('--x')"), "40%")
        self.browser.press("0")
        self.assertEqual(self.ask("document.getElementById('zoom').value"), "1")

    def test_colours_fade(self):
        self.change("opacity", 25)
        shares = self.ask("[...document.querySelectorAll('.lens img')].map((i) => { i.style.transition = 'none'; return getComputedStyle(i).opacity })")
        self.assertEqual(set(shares), {"0.25"})

    def test_a_class_is_chosen(self):
        visible = "[...document.querySelectorAll('article')].filter((a) => !a.hidden).map((a) => Number(a.dataset.class))"
        self.assertEqual(len(self.ask(visible)), 2 * len(METHODS) * len(CLASSES))
        self.ask(f"document.querySelector('input[name=class][value=\"{CLASSES[1]}\"]').click()")
        self.assertEqual(self.ask(visible), [CLASSES[1]] * 2 * len(METHODS))
        self.ask("document.querySelector('input[name=class][value=\"\"]').click()")
        self.assertEqual(len(self.ask(visible)), 2 * len(METHODS) * len(CLASSES))

    def test_light_dark_and_words(self):
        backs = set()
        for scheme in ("light", "dark"):
            self.browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            backs.add(self.ask("getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(backs), 2)
        self.browser.call("Accessibility.enable")
        nodes = self.browser.call("Accessibility.getFullAXTree")["nodes"]
        named = {"image", "slider", "radio", "heading", "main", "DisclosureTriangle"}
        nameless = [node["role"]["value"] for node in nodes
                    if not node.get("ignored") and node["role"]["value"] in named - {"main"} and not node.get("name", {}).get("value")]
        self.assertEqual(nameless, [])
        self.assertTrue({"slider", "radio", "main"} <= {node["role"]["value"] for node in nodes if not node.get("ignored")})


if __name__ == "__main__":
    unittest.main()
