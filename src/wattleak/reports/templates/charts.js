// Draws each figure from the JSON beside it. Colours are CSS variables, so the page's theme, and print, decide them.
(() => {
  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const config = data("chart-config");
  const show = (target) =>
    vegaEmbed(target, data(target.dataset.spec), {
      mode: "vega-lite", renderer: "svg", ast: true, actions: false, config, tooltip: { theme: "page" },
    }).then(
      () => { target.dataset.state = "drawn"; },
      (error) => {
        target.dataset.state = "failed";
        target.textContent = `This chart could not be drawn (${error.message}). Its numbers are in the table below.`;
        target.parentElement.querySelector("details").open = true;
        console.error(error);
      },
    );
  for (const target of document.querySelectorAll("[data-spec]")) show(target);
})();
