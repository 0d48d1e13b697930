#!/bin/sh
# Run once, by the image of PostgreSQL, when the cluster is made: who owns, who works, who copies.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" \
  -v owner="$DB_OWNER_PASSWORD" -v app="$DB_PASSWORD" -v backup="$DB_BACKUP_PASSWORD" <<'SQL'
CREATE ROLE mealquest_owner LOGIN CREATEROLE CREATEDB PASSWORD :'owner';
CREATE ROLE mealquest LOGIN PASSWORD :'app';
CREATE ROLE mealquest_backup LOGIN REPLICATION PASSWORD :'backup';
GRANT pg_use_reserved_connections TO mealquest_owner;
CREATE DATABASE mealquest OWNER mealquest_owner TEMPLATE template0 ENCODING 'UTF8';
SQL
echo 'host replication mealquest_backup all scram-sha-256' >> "$PGDATA/pg_hba.conf"
