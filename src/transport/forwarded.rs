//! What reverse proxies say about the client in the header of an HTTP request.
