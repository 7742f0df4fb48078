// Ratings that stay in the browser until they are saved, and the slice viewer. The page reads without both.
(function () {
  "use strict";

  function inert(id) {
    var element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  }

  function go(id) {
    var link = document.getElementById(id);
    if (link) {
      location.href = link.href + "#rating";
    }
    return Boolean(link);
  }

  // ------------------------------------------------------------------ ratings
  var data = inert("rating-data");
  if (data) {
    rate(data);
  }

  function rate(data) {
    var key = "commissure-ratings-" + data.study;
    var form = document.getElementById("ratings");
    var fields = Array.prototype.slice.call(form.querySelectorAll("[role=group]"));
    var rater = document.getElementById("rater");
    var shortcuts = document.getElementById("shortcuts");
    var progress = document.getElementById("progress");
    var kept = read();
    var current = 0;

    function read() {
      try {
        return JSON.parse(localStorage.getItem(key)) || { rater: "", rows: {} };
      } catch (error) {
        return { rater: "", rows: {} };
      }
    }

    function write() {
      try {
        localStorage.setItem(key, JSON.stringify(kept));
      } catch (error) {
        progress.textContent = "This browser keeps nothing from page to page: save the file on every page.";
      }
    }

    function name(item) {
      return [data.who, item.session, item.modality].join("|");
    }

    function tell() {
      var names = Object.keys(kept.rows).filter(function (row) {
        return kept.rows[row].rating;
      });
      var people = {};
      names.forEach(function (row) {
        people[row.split("|")[0]] = true;
      });
      progress.textContent = names.length + " ratings of " + Object.keys(people).length + " of " + data.people + " people";
    }

    function choose(number) {
      current = Math.max(0, Math.min(fields.length - 1, number));
      fields.forEach(function (field, at) {
        field.classList.toggle("current", at === current);
      });
    }

    function set(number, value) {
      var box = fields[number].querySelector('input[value="' + value + '"]');
      box.checked = true;
      keep(number);
      choose(number + 1);
    }

    function keep(number) {
      var item = data.items[number];
      var box = fields[number].querySelector("input[type=radio]:checked");
      var comment = fields[number].querySelector("input[type=text]").value;
      // Another page of the same study may have written since.
      kept = read();
      kept.rater = rater.value;
      kept.rows[name(item)] = { rating: box ? box.value : "", comment: comment };
      write();
      tell();
    }

    // A cell that a spreadsheet would run is written with an apostrophe, which the workflow takes away.
    function cell(text) {
      text = String(text).replace(/\s+/g, " ").trim();
      return text === "" ? "n/a" : /^'*[=+\-@]/.test(text) ? "'" + text : text;
    }

    function save() {
      kept = read();
      var rows = Object.keys(kept.rows).sort().filter(function (row) {
        return kept.rows[row].rating;
      });
      var lines = rows.map(function (row) {
        var parts = row.split("|");
        var said = kept.rows[row];
        return [data.study, parts[0], parts[1], parts[2], said.rating, rater.value, said.comment].map(cell).join("\t");
      });
      var text = [data.columns.join("\t")].concat(lines).join("\n") + "\n";
      var link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
      var who = rater.value.replace(/[^A-Za-z0-9]+/g, "");
      link.download = who ? "ratings_" + who + ".tsv" : "ratings.tsv";
      link.click();
      URL.revokeObjectURL(link.href);
      progress.textContent = lines.length + " ratings saved as " + link.download;
    }

    fields.forEach(function (field, number) {
      var said = kept.rows[name(data.items[number])];
      if (said) {
        var box = field.querySelector('input[value="' + said.rating + '"]');
        if (box) {
          box.checked = true;
        }
        field.querySelector("input[type=text]").value = said.comment || "";
      }
      field.addEventListener("change", function () {
        keep(number);
      });
      field.addEventListener("focusin", function () {
        choose(number);
      });
    });
    rater.value = kept.rater || "";
    rater.addEventListener("change", function () {
      kept = read();
      kept.rater = rater.value;
      write();
    });
    form.addEventListener("submit", function (event) {
      event.preventDefault();
    });
    document.getElementById("download").addEventListener("click", save);
    choose(0);
    tell();

    var choices = { k: "keep", d: "drop", u: "unsure" };
    document.addEventListener("keydown", function (event) {
      var target = event.target;
      var typing = target.matches("input[type=text], textarea, input[type=range], canvas");
      if (event.key === "Escape" && target.matches("input[type=text]")) {
        target.blur();
        return;
      }
      if (!shortcuts.checked || typing || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      var used = true;
      if (choices[event.key]) {
        set(current, choices[event.key]);
      } else if (event.key === "ArrowDown") {
        choose(current + 1);
      } else if (event.key === "ArrowUp") {
        choose(current - 1);
      } else if (event.key === "ArrowRight") {
        used = go("next");
      } else if (event.key === "ArrowLeft") {
        used = go("previous");
      } else if (event.key === "c") {
        fields[current].querySelector("input[type=text]").focus();
      } else if (event.key === "s") {
        save();
      } else {
        used = false;
      }
      if (used) {
        event.preventDefault();
      }
    });
  }

  // ------------------------------------------------------------------ slices
  var images = inert("image-data");
  if (images) {
    var program = document.getElementById("viewer-program");
    var start = function () {
      show(images).catch(function (error) {
        document.getElementById("viewer").hidden = true;
        document.getElementById("no-viewer").hidden = false;
      });
    };
    if (window.niivue) {
      start();
    } else {
      program.addEventListener("load", start);
    }
  }

  async function show(images) {
    var canvas = document.getElementById("canvas");
    // With what the viewer asks for, so that it gets this context and not a second of its own.
    if (!canvas.getContext("webgl2", { alpha: true, antialias: false })) {
      return;
    }
    document.getElementById("viewer").hidden = false;
    document.getElementById("no-viewer").hidden = true;
    var overlay = document.getElementById("overlay");
    var sliders = document.querySelectorAll(".sliders input[data-axis]");
    var at = document.getElementById("at");
    var viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.95, 0.75, 0.2, 0.8],
      crosshairWidth: 0.3,
      dragAndDropEnabled: false,
      isRadiologicalConvention: true,
      loadingText: "",
      logLevel: "error",
      show3Dcrosshair: false,
      multiplanarShowRender: 0,
    });
    viewer.onLocationChange = function (place) {
      place.mm && (at.textContent = "At " + Array.from(place.mm).slice(0, 3).map(Math.round).join(", ") + " mm.");
      sliders.forEach(function (slider) {
        slider.value = viewer.scene.crosshairPos[slider.dataset.axis];
      });
    };
    // Light and shade of the rendering in 3D, which is not shown: half of the time to the first image.
    viewer.gradientGL = function () {};
    // Fourteen programs for surfaces, of which no page has any.
    viewer.meshShaders = [];
    await viewer.attachToCanvas(canvas, false);
    viewer.setSliceType(viewer.sliceTypeMultiplanar);

    var wanted = "";
    async function choose(key) {
      while (viewer.volumes.length) {
        viewer.removeVolumeByIndex(viewer.volumes.length - 1);
      }
      var chosen = images[key];
      document.getElementById("overlay-label").hidden = !chosen.labels;
      wanted = key;
      var image = await niivue.NVImage.loadFromBase64({
        base64: chosen.image, name: key + ".nii.gz", colormap: "gray", opacity: 1,
      });
      if (wanted !== key) {
        return;
      }
      viewer.addVolume(image);
      viewer.scene.crosshairPos = [0.5, 0.5, 0.5];
      viewer.drawScene();
      viewer.createOnLocationChange();
      canvas.dataset.shown = key;
      if (chosen.labels) {
        // The image is seen before its segmentation is laid over it.
        await new Promise(requestAnimationFrame);
        var labels = await niivue.NVImage.loadFromBase64({
          base64: chosen.labels, name: "labels.nii.gz", colormap: "roi_i256", opacity: Number(overlay.value),
          cal_min: 0, cal_max: 255,
        });
        // Another image may have been chosen meanwhile.
        if (wanted === key) {
          viewer.addVolume(labels);
        }
      }
    }

    document.querySelectorAll("#viewer input[name=image]").forEach(function (radio) {
      radio.addEventListener("change", function () {
        choose(radio.value);
      });
    });
    overlay.addEventListener("input", function () {
      if (viewer.volumes.length > 1) {
        viewer.setOpacity(1, Number(overlay.value));
      }
    });
    sliders.forEach(function (slider) {
      slider.addEventListener("input", function () {
        viewer.scene.crosshairPos[slider.dataset.axis] = Number(slider.value);
        viewer.drawScene();
        viewer.createOnLocationChange();
      });
    });
    await choose(Object.keys(images)[0]);
  }
})();
