-- Read once, when the data of the service `postgres` are new.
CREATE DATABASE prefect;
CREATE DATABASE ledger;
CREATE DATABASE landing;
