"""How the operator copes with many servers, beside cert-manager with as many Certificates."""
