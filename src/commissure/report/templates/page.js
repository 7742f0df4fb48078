// The page reads well without this: it only folds long parts, and sorts tables on request.
(function () {
  var folds = document.querySelectorAll("details");
  document.querySelectorAll("details.person").forEach(function (fold, at) {
    fold.open = at === 0;
  });
  window.addEventListener("beforeprint", function () {
    folds.forEach(function (fold) {
      fold.dataset.was = fold.open ? "open" : "";
      fold.open = fold.open || !fold.classList.contains("long");
    });
  });
  window.addEventListener("afterprint", function () {
    folds.forEach(function (fold) {
      fold.open = fold.dataset.was === "open";
    });
  });

  function worth(cell) {
    if (cell.dataset.sort !== undefined) {
      return parseFloat(cell.dataset.sort);
    }
    var text = cell.textContent.trim().replace("−", "-").replace(/\u202f/g, "");
    var power = text.match(/^(-?[\d.]+) × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/);
    if (power) {
      var digits = power[2].replace("⁻", "-").replace(/[⁰¹²³⁴⁵⁶⁷⁸⁹]/g, function (d) {
        return "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(d);
      });
      return parseFloat(power[1]) * Math.pow(10, parseInt(digits, 10));
    }
    return parseFloat(text.replace("< ", ""));
  }

  document.querySelectorAll("table.sortable").forEach(function (table) {
    table.querySelectorAll("thead th").forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var rising = head.getAttribute("aria-sort") !== "ascending";
        var numeric = head.classList.contains("figure");
        var body = table.tBodies[0];
        var rows = Array.prototype.slice.call(body.rows);
        rows.sort(function (a, b) {
          var one = a.cells[column];
          var other = b.cells[column];
          var x = numeric || one.dataset.sort ? worth(one) : NaN;
          var y = numeric || other.dataset.sort ? worth(other) : NaN;
          if (isNaN(x) && isNaN(y)) {
            return one.textContent.localeCompare(other.textContent) * (rising ? 1 : -1);
          }
          if (isNaN(x) || isNaN(y)) {
            return isNaN(x) ? 1 : -1;
          }
          return (x - y) * (rising ? 1 : -1);
        });
        rows.forEach(function (row) {
          body.appendChild(row);
        });
        table.querySelectorAll("th[aria-sort]").forEach(function (other) {
          other.removeAttribute("aria-sort");
        });
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      });
    });
  });
})();
