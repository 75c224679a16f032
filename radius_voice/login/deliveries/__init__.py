"""Requests to deliver a code, and the answers of providers: values that login and providers share."""
