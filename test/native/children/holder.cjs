// Holds a lock until it is killed; says when.
const { lockFile } = require('../../../dist/native.js');
console.log(lockFile(process.argv[2]) === null ? 'busy' : 'held');
setInterval(() => undefined, 1000);
