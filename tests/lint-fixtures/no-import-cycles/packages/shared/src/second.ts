import { FIRST } from './first.ts';

export const SECOND = () => FIRST;
