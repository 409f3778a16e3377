/** A module that is no entry of a thread. */
export const walk = 'is not run';
