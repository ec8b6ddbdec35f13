# The product as an image: packages and static files are made in the first stage, the second one
# holds what runs and nothing else. No secret is in any layer: all come at run time, as files
# (NAME_FILE) or variables. docs/how-to/deploy.md says how to run it.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 BENGOERP_NO_DOTENV=1
WORKDIR /app
COPY requirements.txt ./
RUN python -m venv /venv
RUN /venv/bin/python -m pip install --requirement requirements.txt
# The pattern takes gunicorn's settings along where there are any; it reads them by itself.
COPY manage.py gunicorn.conf.p[y] ./
COPY bengoerp bengoerp
COPY integrations integrations
COPY notifications notifications
# Django does not start without a secret key; this one ends with the step.
RUN DJANGO_SECRET_KEY="$(/venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(50))')" /venv/bin/python manage.py collectstatic --noinput
# The file system is read-only later, so that nothing could be compiled then.
RUN /venv/bin/python -m compileall -q bengoerp integrations notifications

FROM python:${PYTHON}-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 BENGOERP_NO_DOTENV=1
RUN groupadd --system --gid 10001 app && useradd --system --uid 10001 --gid app --home-dir /nonexistent --shell /usr/sbin/nologin app && install --directory --owner app --group app --mode 0700 /data
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 CMD ["python", "-m", "bengoerp.healthcheck"]
# Heartbeats of the workers go to memory: on a slow disk a healthy worker would look dead.
CMD ["gunicorn", "bengoerp.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
