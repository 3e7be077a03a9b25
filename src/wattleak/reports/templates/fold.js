// A reader with scripts sees charts, so their tables fold away; a reader without scripts finds them open, and a word
// about it. That word is removed here rather than put into <noscript>, which stays silent where a policy stops scripts.
document.getElementById("without-scripts").remove();
for (const details of document.querySelectorAll("figure details")) details.open = false;
