"""Workers as pods of Kubernetes: whom to ask (`access`), how (`api`), for what (`manifests`)."""
