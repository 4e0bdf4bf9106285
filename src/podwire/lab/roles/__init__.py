"""The entry points of the processes of a world, imported by the zygote, and the objects a world starts with.

Everything imported here is in the zygote and so in every process: import late what a world needs only sometimes.
"""
