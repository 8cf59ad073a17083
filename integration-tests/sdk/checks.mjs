// Runs checks, says how many passed. A check is an async function that throws when something is wrong; one that fails
// does not keep the others from running.

const patience = (name) =>
  new Promise((_, reject) => setTimeout(() => reject(new Error(`${name} took too long`)), 60_000).unref());

/** Runs every check of an object, prints a line for each and the closing line, and ends the process. */
export async function run(checks) {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    const began = performance.now();
    try {
      await Promise.race([check(), patience(name)]);
      console.log(`ok     ${name} (${((performance.now() - began) / 1000).toFixed(2)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}`);
      console.log(error);
    }
  }
  console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
