"""The test cluster: a real Kubernetes that one command starts, breaks and removes.

`cli` reads the command line and hands over to one of the `providers`. The embedded provider builds
everything from namespaces, published Go modules and Debian packages; `node` and `controlplane` are
its two halves. Nothing here is imported by the operator itself.
"""
