"use strict";

// The gallery of rejected files: a reason and a piece of the path narrow it down.
{
  const controls = document.getElementById("filter");
  if (controls) {
    const [reason, path, shown] = ["reason", "path", "shown"].map((id) => document.getElementById(id));
    const items = [...document.querySelectorAll("#rejected-files > li")];
    const filter = () => {
      const wanted = path.value.toLowerCase();
      let count = 0;
      for (const item of items) {
        const fits = (!reason.value || item.dataset.reason === reason.value)
          && item.querySelector("code").textContent.toLowerCase().includes(wanted);
        item.hidden = !fits;
        count += fits;
      }
      shown.textContent = `${count} of ${items.length} shown`;
    };
    reason.addEventListener("change", filter);
    path.addEventListener("input", filter);
    controls.hidden = false;
    filter();
  }
}

// The map of all images: the pointer or the arrow keys choose a point, a click or Enter holds it, a class can be shown alone.
{
  const plot = document.getElementById("plot");
  if (plot) {
    const { classes, points } = JSON.parse(document.getElementById("data").textContent);
    const svg = plot.querySelector("svg");
    const ring = svg.querySelector(".ring");
    const [picture, path, about, held] = ["picture", "where", "about", "held"].map((id) => document.getElementById(id));
    const buttons = [...document.querySelectorAll(".legend button")];
    const NEAR = 18; // units of the drawing, which is 800 wide
    let only = null;
    let chosen = null;
    let isHeld = false;

    const visible = (point) => only === null || point.c === only;

    const choose = (point) => {
      chosen = point;
      ring.toggleAttribute("hidden", !point);
      if (!point) return;
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      picture.replaceChildren();
      if (point.t) {
        const image = document.createElement("img");
        image.alt = "";
        image.src = `data:image/jpeg;base64,${point.t}`;
        picture.append(image);
      } else {
        const none = document.createElement("span");
        none.textContent = "no thumbnail";
        picture.append(none);
      }
      path.textContent = point.p;
      about.textContent = point.s ? `${classes[point.c]}, split ${point.s}` : classes[point.c];
    };

    const hold = (on) => {
      isHeld = on && chosen !== null;
      held.textContent = isHeld ? "Held. Click elsewhere or press Escape to let go." : "";
    };

    const nearest = (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let best = null;
      let least = NEAR * NEAR;
      for (const point of points) {
        const far = (point.x - at.x) ** 2 + (point.y - at.y) ** 2;
        if (far < least && visible(point)) [best, least] = [point, far];
      }
      return best;
    };

    // The next point in a direction: near counts, and straight ahead counts more.
    const next = ([dx, dy]) => {
      let best = null;
      let least = Infinity;
      for (const point of points) {
        const ahead = (point.x - chosen.x) * dx + (point.y - chosen.y) * dy;
        const aside = Math.abs((point.x - chosen.x) * dy) + Math.abs((point.y - chosen.y) * dx);
        const far = ahead + 2 * aside;
        if (ahead > 0 && ahead >= aside && far < least && visible(point)) [best, least] = [point, far];
      }
      return best;
    };

    plot.addEventListener("pointermove", (event) => {
      if (isHeld) return;
      const point = nearest(event);
      if (point && point !== chosen) choose(point);
    });
    plot.addEventListener("click", (event) => {
      const point = nearest(event);
      if (point) choose(point);
      hold(point !== null);
    });
    plot.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) {
        choose((chosen && visible(chosen) ? next(way) : points.find(visible)) ?? chosen);
      } else if (event.key === "Enter" || event.key === " ") {
        hold(!isHeld);
      } else if (event.key === "Escape") {
        hold(false);
      } else {
        return;
      }
      event.preventDefault();
    });

    for (const [number, button] of buttons.entries()) {
      button.disabled = false;
      button.addEventListener("click", () => {
        only = only === number ? null : number;
        for (const [other, of] of buttons.entries()) of.setAttribute("aria-pressed", String(other === only));
        for (const marks of svg.querySelectorAll("path[data-class]")) {
          marks.classList.toggle("dim", only !== null && Number(marks.dataset.class) !== only);
        }
      });
    }
  }
}
