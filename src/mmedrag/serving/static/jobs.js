// The jobs of a casebase: shown anew while one is not finished; cancelled and started in place.
const jobs = document.getElementById("jobs-list"), section = document.getElementById("jobs");
const address = `/jobs?casebase=${encodeURIComponent(jobs.dataset.casebase)}`;
const SECONDS = 1.5;
let shown = "", timer = 0;

async function show(reply) {
  clearTimeout(timer);
  try {
    const html = await (await (reply ?? fetch(address))).text();
    if (html !== shown) {
      const focused = document.activeElement?.id;
      jobs.innerHTML = shown = html; // rendered and escaped by the server
      document.getElementById(focused)?.focus();
    }
  } finally {
    if (jobs.querySelector("[data-state=running], [data-state=waiting]")) timer = setTimeout(show, 1000 * SECONDS);
  }
}

section.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, problem = document.getElementById("jobs-problem");
  problem.textContent = "";
  try {
    const reply = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } });
    if (!reply.ok) throw await reply.json();
    if (form.matches(".start")) form.reset();
    else jobs.tabIndex = -1, jobs.focus(); // its button goes
  } catch (error) {
    problem.textContent = error.detail ? `${error.detail}. ${error.remedy}` : "The service cannot be reached.";
  }
  await show();
});

if (jobs.querySelector("[data-state=running], [data-state=waiting]")) timer = setTimeout(show, 1000 * SECONDS);
