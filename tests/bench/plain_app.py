"""The baseline: a model behind FastAPI as a user would write it. ``MODEL`` names the joblib file."""

import os

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(os.environ["MODEL"])
app = FastAPI()


class Features(BaseModel):
    bedrooms: float
    bathrooms: float
    sqft: float
    age: float
    location_score: float


class Request(BaseModel):
    features: Features


@app.post("/predict")
def predict(request: Request):
    row = request.features
    value = model.predict([[row.bedrooms, row.bathrooms, row.sqft, row.age, row.location_score]])
    return {"prediction": float(value[0])}
