"""The same requests sent to two servers, and what their answers differ in."""
