"""KServe's Python server with a scikit-learn model, as KServe's own runtime for them does it.

Runs in an environment that has KServe. ``MODEL`` names the joblib file; KServe reads the flags itself.
"""

import os

import joblib
from kserve import Model, ModelServer
from kserve.model_server import args
from kserve.utils.utils import get_predict_input, get_predict_response


class ScikitLearn(Model):
    def load(self):
        self.model = joblib.load(os.environ["MODEL"])
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None):  # noqa: ARG002
        answer = self.model.predict(get_predict_input(payload))
        return get_predict_response(payload, answer, self.name)


if __name__ == "__main__":
    model = ScikitLearn(args.model_name)
    model.load()
    ModelServer().start([model])
