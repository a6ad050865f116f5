/**
 * For a module that startModule runs: receives its task, and ends when the parent process ends.
 * @template Task
 * @param {(task: Task) => void} start
 */
export function takeTask(start) {
  process.once('disconnect', () => process.exit());
  process.once('message', (task) => start(/** @type {any} */ (task)));
}
