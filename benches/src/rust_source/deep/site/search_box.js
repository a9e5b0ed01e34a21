// Filters the names of search.js; no network, no library.
const box = document.getElementById("search"), list = document.getElementById("results");
function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  list.replaceChildren();
  if (!words.length) return;
  let shown = 0;
  for (const [kind, name, url] of NAMES) {
    if (!words.every((word) => name.toLowerCase().includes(word) || kind === word)) continue;
    const line = document.createElement("li"), tag = document.createElement("span"), link = document.createElement("a");
    tag.className = "soft mono"; tag.textContent = kind + " ";
    link.className = "mono"; link.href = url; link.textContent = name;
    line.append(tag, link); list.append(line);
    if (++shown === 60) break;
  }
}
box.addEventListener("input", show);
if (location.hash.startsWith("#q=")) { box.value = decodeURIComponent(location.hash.slice(3)); show(); }
