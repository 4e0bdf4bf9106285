"""Options of all Ingresses, in the ConfigMap podwire-system/ingress: the keys of ingress-nginx's."""
