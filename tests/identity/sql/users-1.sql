CREATE TABLE radius_voice_version (version INTEGER NOT NULL);
INSERT INTO radius_voice_version VALUES(1);
CREATE TABLE radius_voice_users (
            id VARCHAR(32) NOT NULL PRIMARY KEY, canonical_name TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password TEXT,
            parameters TEXT, language VARCHAR(35) NOT NULL, disabled BOOLEAN NOT NULL,
            created DOUBLE PRECISION NOT NULL, changed DOUBLE PRECISION NOT NULL);
INSERT INTO radius_voice_users VALUES('5b0c1a5c4d5f4f0a9f3d2c1b0a998877','alice','alice','$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA','m=8,t=1,p=1','de',0,1764165600.0,1764165600.0);
INSERT INTO radius_voice_users VALUES('66d0c1a5c4d5f4f0a9f3d2c1b0a99887','bob','Bob',NULL,NULL,'en',1,1764165600.0,1764165600.0);
CREATE TABLE radius_voice_phones (
            user_id VARCHAR(32) NOT NULL REFERENCES radius_voice_users (id), position INTEGER NOT NULL,
            e164 VARCHAR(16) NOT NULL, PRIMARY KEY (user_id, position));
INSERT INTO radius_voice_phones VALUES('5b0c1a5c4d5f4f0a9f3d2c1b0a998877',0,'+14155550123');
INSERT INTO radius_voice_phones VALUES('5b0c1a5c4d5f4f0a9f3d2c1b0a998877',1,'+442079460123');
CREATE TABLE radius_voice_groups (
            user_id VARCHAR(32) NOT NULL REFERENCES radius_voice_users (id), name TEXT NOT NULL,
            PRIMARY KEY (user_id, name));
INSERT INTO radius_voice_groups VALUES('5b0c1a5c4d5f4f0a9f3d2c1b0a998877','staff');
CREATE INDEX radius_voice_users_parameters ON radius_voice_users (parameters);
