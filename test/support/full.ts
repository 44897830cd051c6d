// `npm run test:full` tries more than `npm test`, which must end in minutes on two cores without a GPU.

/** This many times more random cases. */
export const MORE_RUNS = Number(process.env["GRADLOOM_TEST_MORE"] ?? 1);

/** Whether this is a full run. */
export const isFull = MORE_RUNS > 1;
