"""Renders and applies the routing document beside HAProxy, in every router pod.

The agent is the only writer of HAProxy's configuration and the only client of its sockets. It never
carries a client's request: those go through HAProxy even while the agent is down.
"""
