// Posts what the form holds with the token of the mail, which stands behind the # and so was sent to no server.
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const token = new URLSearchParams(location.hash.slice(1)).get("token");

// A button is pressed by a person; programs that look into mails only follow links.
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  const body = JSON.stringify({ ...Object.fromEntries(new FormData(form)), token: token ?? "" });
  try {
    const answer = await fetch(form.dataset.post, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.ok) {
      form.hidden = true;
      status.textContent = form.dataset.done;
      return;
    }
    const problem = await answer.json();
    const errors = (problem.errors ?? []).map((error) => error.detail);
    status.textContent = errors.length ? errors.join(" ") : problem.detail;
  } catch {
    status.textContent = "The shop cannot be reached. Try again later.";
  }
  button.disabled = false;
});
