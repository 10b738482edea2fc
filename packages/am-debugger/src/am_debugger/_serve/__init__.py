"""The debugger in browsers: one instance with a screen per tab, and who may open one."""
