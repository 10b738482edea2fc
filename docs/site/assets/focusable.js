// Code that scrolls sideways can be reached and scrolled by keyboard.
for (const code of document.querySelectorAll(".md-typeset pre > code")) {
  code.tabIndex = 0;
}
