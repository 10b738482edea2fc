"""Dashboards and alerts: pure values, and the one call that hands a dashboard to Grafana.

* `queries`: the PromQL and LogQL expressions, from the names of the instruments
* `panels`: one panel of a dashboard each;  `dashboard`: the whole of it
* `alerts`: alert rules for Prometheus
* `api`: finds or creates the folder, creates or replaces the dashboard
* `keeper`: keeps the dashboards of this process's machines up to date;  `from_env`: if asked to
"""
