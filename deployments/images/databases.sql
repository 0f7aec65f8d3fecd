-- Run once, when the volume of the service `postgres` is new.
CREATE DATABASE prefect;
CREATE DATABASE ledger;
CREATE DATABASE landing;
