"""Flow records: connections that policies dropped or admitted, with the policies that decide; in bounded files."""
