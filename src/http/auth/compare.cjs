// Runs in a thread of its own: a file of its own, because it is JavaScript before and after the build.
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require('bcryptjs');

parentPort.postMessage(compareSync(workerData.password, workerData.hash));
