(function () {
  "use strict";
  var said = document.getElementById("said");

  function say(text) {
    if (said) { said.textContent = ""; setTimeout(function () { said.textContent = text; }, 30); }
  }

  // A page from a disk may not be allowed the clipboard: selecting and copying works there.
  function select(text) {
    var area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.appendChild(area);
    area.select();
    var done = false;
    try { done = document.execCommand("copy"); } catch (error) { done = false; }
    area.remove();
    return done;
  }

  function copied(button, done) {
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    say(done ? "Copied" : "The code is selected: press Ctrl+C");
    if (done) { button.focus(); } else {
      window.getSelection().selectAllChildren(button.closest(".code").querySelector("code"));
    }
    setTimeout(function () { button.textContent = "Copy"; }, 2000);
  }

  document.querySelectorAll("button.copy").forEach(function (button) {
    button.addEventListener("click", function () {
      var text = button.closest(".code").querySelector("code").textContent;
      if (navigator.clipboard && window.isSecureContext) {
        navigator.clipboard.writeText(text).then(
          function () { copied(button, true); },
          function () { copied(button, select(text)); });
      } else { copied(button, select(text)); }
    });
  });

  // Of a year of days the newest are at the right, which a small screen would not show.
  document.querySelectorAll(".newest").forEach(function (each) { each.scrollLeft = each.scrollWidth; });

  // On paper nothing can be unfolded.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (each) { each.open = true; });
  });

  var box = document.getElementById("search");
  var index = window.SITE_INDEX;
  if (!box || !index) { return; }
  var list = document.getElementById("found");
  var hits = document.getElementById("hits");
  var MOST = 40;
  index.forEach(function (each) {
    each.name = (each.c || each.d + " " + (each.t || "")).toLowerCase();
    each.all = (each.d + " " + (each.t || "") + " " + (each.c || "") + " " + (each.x || "")).toLowerCase();
  });

  // Names before descriptions, datasets before columns, the beginning of a name before its middle.
  function rank(each, words) {
    var place = 0;
    for (var i = 0; i < words.length; i += 1) {
      if (each.all.indexOf(words[i]) < 0) { return -1; }
      var at = each.name.indexOf(words[i]);
      place += at === 0 || (at > 0 && !each.c) ? 0 : at > 0 ? 1 : 3;
    }
    return place * 2 + (each.c ? 1 : 0);
  }

  function add(parent, text, words) {
    var low = text.toLowerCase(), at = -1, word = "";
    words.forEach(function (each) {
      var found = low.indexOf(each);
      if (found >= 0 && (at < 0 || found < at)) { at = found; word = each; }
    });
    if (at < 0) { parent.appendChild(document.createTextNode(text)); return; }
    parent.appendChild(document.createTextNode(text.slice(0, at)));
    var mark = document.createElement("mark");
    mark.textContent = text.slice(at, at + word.length);
    parent.appendChild(mark);
    parent.appendChild(document.createTextNode(text.slice(at + word.length)));
  }

  function item(each, words) {
    var li = document.createElement("li"), a = document.createElement("a");
    a.href = "datasets/" + (each.p || each.d) + ".html" + (each.c ? "#c-" + each.c : "");
    add(a, each.c ? each.d + "." + each.c : each.d + (each.t ? ": " + each.t : ""), words);
    var small = document.createElement("small");
    add(small, each.x.trim().slice(0, 160), words);
    a.appendChild(small);
    li.appendChild(a);
    return li;
  }

  function search() {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.textContent = "";
    list.hidden = !words.length;
    if (!words.length) { hits.textContent = ""; return; }
    var found = index.map(function (each, place) { return [rank(each, words), place, each]; })
      .filter(function (each) { return each[0] >= 0; })
      .sort(function (one, other) { return one[0] - other[0] || one[1] - other[1]; });
    found.slice(0, MOST).forEach(function (each) { list.appendChild(item(each[2], words)); });
    list.hidden = !found.length;
    hits.textContent = found.length ? found.length + (found.length === 1 ? " match" : " matches") +
      (found.length > MOST ? ", the first " + MOST + " are shown" : "") : "Nothing is called that.";
  }

  box.addEventListener("input", search);
  box.addEventListener("keydown", function (event) {
    var first = list.querySelector("a");
    if (event.key === "Enter" && first) { event.preventDefault(); window.location.href = first.href; }
    if (event.key === "Escape") { box.value = ""; search(); }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && document.activeElement !== box && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      box.focus();
    }
  });
  // Also for a link such as index.html?q=score, and a box that the browser has filled again.
  var asked = new URLSearchParams(window.location.search).get("q");
  if (asked) { box.value = asked; }
  search();
}());
