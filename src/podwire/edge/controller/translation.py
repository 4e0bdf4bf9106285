class Translation:
    def __init__(self, objects):
        pass
