// simple-hl7 with a durable store: each message is one committed row of SQLite (WAL, synchronous = FULL) before its ACK.
//
//     node hl7_sqlite.js DATABASE PORT
const hl7 = require('simple-hl7');
const Database = require('better-sqlite3');

const db = new Database(process.argv[2]);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE message (id INTEGER PRIMARY KEY, control_id TEXT UNIQUE NOT NULL, body TEXT NOT NULL)');
const insert = db.prepare('INSERT INTO message (control_id, body) VALUES (?, ?)');

const app = hl7.tcp();
app.use((req, res, next) => {
  const message = req.msg;
  insert.run(message.header.getField(8).toString(), message.toString());
  next();
});
app.use((req, res, next) => res.end());
app.use((err, req, res, next) => {
  res.ack.getSegment('MSA').setField(1, 'AE');
  res.end();
});
app.start(Number(process.argv[3]), 'utf8');
