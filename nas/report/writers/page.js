"use strict";
// Draws the figures, and redraws them at the width of the paper when the page is printed.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [];
  for (const [name, figure] of Object.entries(figures)) {
    const place = document.getElementById("figure-" + name);
    plots.push(place);
    Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displayModeBar: false });
  }
  // Figures are saved as they stand, in black on white; a PDF is a page printed with one of them alone.
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    return made;
  };
  const ofPaper = ["#ffffff", "#000000"];
  const saveSvg = (place, name) => {
    const layout = { ...place.layout, paper_bgcolor: ofPaper[0], font: { ...place.layout.font, color: ofPaper[1] } };
    const size = { width: place.clientWidth, height: place.clientHeight };
    Plotly.downloadImage({ data: place.data, layout, config: {} }, { format: "svg", filename: name, ...size });
  };
  const printAlone = (place) => {
    const figure = place.closest("figure");
    for (let one = figure; one; one = one.parentElement) one.classList.add(one === figure ? "alone" : "around");
    window.print();
  };
  for (const place of plots) {
    const name = place.id.replace("figure-", "");
    const save = document.createElement("p");
    save.className = "save";
    save.append(button("SVG", () => saveSvg(place, name)), button("PDF", () => printAlone(place)));
    place.after(save);
  }
  // A4 and Letter leave 690 points of the style sheet's pixels between the margins, two columns 335.
  const onPaper = (place) => (place.closest(".grid") && !place.closest(".alone") ? 335 : 680);
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details")].filter((one) => !one.open);
    for (const one of closed) one.open = true;
    for (const place of plots) Plotly.relayout(place, { width: onPaper(place) });
  });
  window.addEventListener("afterprint", () => {
    for (const one of document.querySelectorAll(".alone, .around")) one.classList.remove("alone", "around");
    for (const one of closed) one.open = false;
    for (const place of plots) Plotly.relayout(place, { width: null, autosize: true });
  });
})();
