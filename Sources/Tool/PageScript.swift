extension Page {
    /// Fading, zooming and choosing a class; without it the page shows everything whole.
    static let script = """

        const root = document.documentElement.style, controls = document.getElementById("controls");
        const opacity = document.getElementById("opacity"), zoom = document.getElementById("zoom");
        const at = { x: 50, y: 50 };
        const show = (input, text) => { document.querySelector(`output[for=${input.id}]`).value = text; };
        const fade = (share) => root.setProperty("--colours", share);
        const apply = () => {
          fade(opacity.value / 100);
          show(opacity, opacity.value + " %");
          root.setProperty("--zoom", zoom.value);
          root.setProperty("--x", at.x + "%");
          root.setProperty("--y", at.y + "%");
          show(zoom, Number(zoom.value) + " x");
        };
        const look = (x, y) => { at.x = Math.min(100, Math.max(0, x)); at.y = Math.min(100, Math.max(0, y)); apply(); };
        const step = (by) => { zoom.value = Number(zoom.value) + by; apply(); };
        const keys = {
          "+": () => step(0.5), "=": () => step(0.5), "-": () => step(-0.5), "0": () => { zoom.value = 1; look(50, 50); },
          ArrowLeft: () => look(at.x - 5, at.y), ArrowRight: () => look(at.x + 5, at.y),
          ArrowUp: () => look(at.x, at.y - 5), ArrowDown: () => look(at.x, at.y + 5), " ": () => fade(0),
        };
        for (const picture of document.querySelectorAll(".picture[tabindex]")) {
          picture.addEventListener("pointermove", (event) => {
            const box = picture.getBoundingClientRect();
            look(100 * (event.clientX - box.left) / box.width, 100 * (event.clientY - box.top) / box.height);
          });
          picture.addEventListener("wheel", (event) => {
            if (!event.ctrlKey) return;
            event.preventDefault();
            step(event.deltaY < 0 ? 0.5 : -0.5);
          }, { passive: false });
          picture.addEventListener("pointerdown", () => fade(0));
          for (const end of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) picture.addEventListener(end, apply);
          picture.addEventListener("keydown", (event) => {
            if (!keys[event.key]) return;
            event.preventDefault();
            keys[event.key]();
          });
        }
        for (const choice of document.getElementsByName("class")) {
          choice.addEventListener("change", () => {
            for (const card of document.querySelectorAll("article[data-class]")) {
              card.hidden = choice.value !== "" && card.dataset.class !== choice.value;
            }
          });
        }
        opacity.addEventListener("input", apply);
        zoom.addEventListener("input", apply);
        controls.hidden = false;
        apply();

        """
}
