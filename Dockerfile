# docker build -t busgen . && docker run --rm -v "$PWD:/work" busgen generate --n 12 --out SET
# The CPU build of torch that constraints.txt pins; no GPU, no patient's data.
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends git libgomp1 && rm -rf /var/lib/apt/lists/*
WORKDIR /busgen
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt .
WORKDIR /work
ENTRYPOINT ["busgen"]
CMD ["--help"]
