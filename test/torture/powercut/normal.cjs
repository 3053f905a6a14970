// Loaded before everything in the canary's recording (node --require): the log asks SQLite for synchronous=FULL and gets NORMAL, which
// is what better-sqlite3 gives to whoever does not ask. Nothing in the product can do that.
const Database = require('better-sqlite3');
const real = Database.prototype.pragma;
Database.prototype.pragma = function pragma(text, options) {
  if (text === 'synchronous = FULL') return real.call(this, 'synchronous = NORMAL', options);
  if (text === 'synchronous') return 2;
  return real.call(this, text, options);
};
