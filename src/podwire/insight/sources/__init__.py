"""Objects as they are written: in files, folders, standard input, revisions of git, kustomizations."""
