import { RedisOptions } from 'ioredis';

export const OPTIONS: RedisOptions = {};
