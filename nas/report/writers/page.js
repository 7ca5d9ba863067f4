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
  // A4 and Letter leave 690 points of the style sheet's pixels between the margins, two columns 335.
  const onPaper = (place) => (place.closest(".grid") ? 335 : 680);
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details")].filter((one) => !one.open);
    for (const one of closed) one.open = true;
    for (const place of plots) Plotly.relayout(place, { width: onPaper(place) });
  });
  window.addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
    for (const place of plots) Plotly.relayout(place, { width: null, autosize: true });
  });
})();
